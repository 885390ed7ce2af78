//! Credentials: read and believed, or refused as AWS refuses them. Signatures are not verified.

use axum::http::{HeaderMap, header};

use crate::error::Failure;
use crate::setting::{Account, Credentials};

/// The region that a request is signed for, once it is let in.
pub(crate) fn check(headers: &HeaderMap, account: &Account) -> Result<String, Failure> {
    let signed = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // Credential=KEY/DATE/REGION/kinesis/aws4_request
    let scope = signed.and_then(|signed| signed.split_once("Credential=")).map(|(_, scope)| scope);
    let mut scope = scope.unwrap_or_default().split(['/', ',']).map(str::trim);
    let (key, _, region) = (scope.next(), scope.next(), scope.next());
    let refused = |kind, message: &str| Err(Failure::new(kind, message));
    let unknown =
        || refused("UnrecognizedClientException", "The security token included in the request is invalid.");

    let strict = account.credentials != Credentials::Any || account.access_key.is_some();
    if signed.is_none() && strict {
        return refused("MissingAuthenticationTokenException", "Missing Authentication Token");
    }
    match account.credentials {
        Credentials::Any | Credentials::Required => {}
        Credentials::Expired => {
            return refused("ExpiredTokenException", "The security token included in the request is expired");
        }
        Credentials::Unknown => return unknown(),
        Credentials::WrongSignature => {
            return refused(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.",
            );
        }
        Credentials::Skewed => {
            return refused(
                "InvalidSignatureException",
                "Signature expired: 19950701T000000Z is now earlier than 19950701T001000Z (19950701T001500Z - 5 min.)",
            );
        }
        Credentials::Denied => {
            return refused(
                "AccessDeniedException",
                "User: arn:aws:iam::000000000000:user/test is not authorized to perform this operation because no \
                 identity-based policy allows it",
            );
        }
    }
    if account.access_key.as_deref().is_some_and(|only| key != Some(only)) {
        return unknown();
    }
    if let (Some(only), Some(region)) = (&account.only_region, region)
        && only != region
    {
        let message = format!("Credential should be scoped to a valid region, not '{region}'.");
        return refused("InvalidSignatureException", &message);
    }
    Ok(region.filter(|region| !region.is_empty()).unwrap_or("us-east-1").to_owned())
}
