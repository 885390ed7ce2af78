//! The clients: a few proxies that everyone shares, pools of dial-up lines, campuses, companies, bare addresses.

use super::random::{Alias, Random, mix, weight_three_quarters};
use super::table::Table;
use super::template::{expand, push_number};

/// How many there are; two months at NASA's rate show about 130,000 of them.
pub(super) const HOSTS: usize = 260_000;

/// All clients, the busiest first.
pub(super) fn table() -> Table {
    let mut table = Table::with_capacity(HOSTS, HOSTS * 20);
    let mut seen = Seen::new();
    for name in BUSIEST {
        seen.insert(name.as_bytes());
        table.push(name.as_bytes());
    }
    let mut random = Random::new(0x1995);
    let shares: Vec<u64> = PATTERNS.iter().map(|(share, _)| *share).collect();
    let patterns = Alias::new(&shares);
    let mut name = Vec::new();
    while table.len() < HOSTS {
        name.clear();
        match PATTERNS[patterns.at(random.next())].1 {
            ADDRESS => push_address(&mut random, &mut name),
            pattern => expand(pattern, &mut random, &mut name),
        }
        if seen.insert(&name) {
            table.push(&name);
        }
    }
    table
}

/// Names that were used, as a bit each. Two names that share a bit by chance cost one name, nothing else; a set of
/// strings would take most of the time that a generator needs to start.
struct Seen(Vec<u64>);

impl Seen {
    const BITS: u32 = 23;

    fn new() -> Self {
        Self(vec![0; 1 << (Self::BITS - 6)])
    }

    /// Whether the name is new.
    fn insert(&mut self, name: &[u8]) -> bool {
        let hash = name
            .iter()
            .fold(0, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let bit = mix(hash) >> (64 - Self::BITS);
        let (word, mask) = (&mut self.0[(bit >> 6) as usize], 1 << (bit & 63));
        let is_new = *word & mask == 0;
        *word |= mask;
        is_new
    }
}

/// Draws clients by how busy they are.
pub(super) fn alias() -> Alias {
    let weights: Vec<u64> = (0..HOSTS).map(|rank| weight_three_quarters(rank as f64 + 1.5)).collect();
    Alias::new(&weights)
}

/// A public class B or C address, as networks had them in 1995.
fn push_address(random: &mut Random, out: &mut Vec<u8>) {
    push_number(u64::from(128 + random.below(79)), out);
    for bound in [256, 256, 254] {
        out.push(b'.');
        push_number(u64::from(random.below(bound) + u32::from(bound == 254)), out);
    }
}

/// Stands for a bare IPv4 address among the patterns.
const ADDRESS: &str = "";

/// Shares in thousandths, and the shape of a name (see [`expand`]).
const PATTERNS: &[(u64, &str)] = &[
    (122, ADDRESS),
    (82, "ix-@#-##.ix.netcom.com"),
    (38, "dd##-0##.compuserve.com"),
    (18, "ad##-0##.compuserve.com"),
    (26, "ip###.@.primenet.com"),
    (12, "slip###-##.@.us.ibm.net"),
    (8, "ppp-@-#-##.ios.com"),
    (8, "@$.onramp.net"),
    (8, "ip-@#-##.teleport.com"),
    (7, "dyn-###.direct.ca"),
    (7, "pm$-##.*.net"),
    (7, "line##.@.mindlink.net"),
    (7, "cad###.cadvision.com"),
    (7, "ip$.@$.interramp.com"),
    (7, "pipe$.@.pipeline.com"),
    (6, "ppp###.@.or.jp"),
    (6, "ppp##.st.rim.or.jp"),
    (6, "netport-##.iu.net"),
    (6, "ttyu#.*.net"),
    (5, "j##.@#.jaring.my"),
    (5, "drjo###a###.embratel.net.br"),
    (5, "*-##.netrunner.net"),
    (24, "dialup###.*.com"),
    (20, "ppp##.*.com"),
    (18, "slip##.*.net"),
    (14, "pm#_##.*.net"),
    (12, "port###.@.*.net"),
    (10, "ts#-##.*.net"),
    (40, "*.*.com"),
    (30, "*#.*.com"),
    (24, "pc##.*.com"),
    (20, "*.^^^.*.com"),
    (16, "gw#.*.com"),
    (14, "*.@.*.com"),
    (30, "*.cs.u@.edu"),
    (24, "*$.^^.*.edu"),
    (20, "mac##.u@.edu"),
    (20, "pc###.*.edu"),
    (18, "dial-##.@.*.edu"),
    (16, "slip-##-##.ots.u@.edu"),
    (12, "*.^^^^.u@.edu"),
    (20, "*.demon.co.uk"),
    (10, "*##.*.co.uk"),
    (8, "*.^^^.ac.uk"),
    (14, "*.^^^^.ac.jp"),
    (12, "*$.*.co.jp"),
    (8, "*.*.ad.jp"),
    (12, "*.*.com.au"),
    (12, "pc##.^^^.edu.au"),
    (8, "*##.*.net.au"),
    (12, "*.*.on.ca"),
    (8, "ppp##.*.bc.ca"),
    (8, "*.*.ab.ca"),
    (8, "dial##.*.de"),
    (8, "*.^^.uni-*.de"),
    (6, "*##.*.nl"),
    (6, "*.*.fr"),
    (6, "*.*.se"),
    (5, "*##.*.fi"),
    (5, "*.*.it"),
    (5, "*##.*.be"),
    (5, "*.*.co.nz"),
    (4, "*.*.com.sg"),
    (4, "*##.*.co.za"),
    (10, "*.*.org"),
    (9, "*.^sfc.nasa.gov"),
    (7, "n#######.ksc.nasa.gov"),
    (8, "*.*.gov"),
    (8, "*$.*.mil"),
    (6, "*.*.k##.us"),
];

/// The proxies and the regulars at the head of the list.
const BUSIEST: &[&str] = &[
    "piweba3y.prodigy.com",
    "piweba4y.prodigy.com",
    "piweba1y.prodigy.com",
    "alyssa.prodigy.com",
    "siltb10.orl.mmc.com",
    "piweba2y.prodigy.com",
    "edams.ksc.nasa.gov",
    "163.206.89.4",
    "news.ti.com",
    "disarray.demon.co.uk",
    "www-a2.proxy.aol.com",
    "www-b3.proxy.aol.com",
    "www-b2.proxy.aol.com",
    "www-c5.proxy.aol.com",
    "www-d3.proxy.aol.com",
    "www-a1.proxy.aol.com",
    "www-b4.proxy.aol.com",
    "www-b5.proxy.aol.com",
    "www-c2.proxy.aol.com",
    "www-b6.proxy.aol.com",
    "www-d4.proxy.aol.com",
    "www-c1.proxy.aol.com",
    "www-d1.proxy.aol.com",
    "www-c4.proxy.aol.com",
    "www-d2.proxy.aol.com",
    "www-c3.proxy.aol.com",
    "www-c6.proxy.aol.com",
    "proxy.austin.ibm.com",
    "poppy.hensa.ac.uk",
    "webgate1.mot.com",
    "e659229.boeing.com",
    "hoohoo.ncsa.uiuc.edu",
    "world.std.com",
    "gateway.cary.ibm.com",
    "bill.ksc.nasa.gov",
    "inet2.tek.com",
    "proxy0.research.att.com",
    "134.83.184.18",
    "jalisco.engr.ucdavis.edu",
    "burger.letters.com",
    "kristina.az.com",
    "falafel.alt.net",
    "vagrant.vf.mmc.com",
    "202.33.84.230",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_look_like_names() {
        let table = table();
        assert_eq!(table.len(), HOSTS);
        assert_eq!(table.iter().collect::<HashSet<_>>().len(), HOSTS);
        assert!(table.iter().all(|name| {
            name.len() < 48
                && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }));
        assert_eq!(PATTERNS.iter().filter(|(_, pattern)| *pattern == ADDRESS).count(), 1);
    }
}
