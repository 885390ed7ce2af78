use std::collections::HashSet;

use super::*;

fn whole(options: GenerateOptions) -> Vec<u8> {
    let mut log = Vec::new();
    Generator::new(options).unwrap().write_to(&mut log).unwrap();
    log
}

/// FNV-1a: short, and the same for ever.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// If one of these changes, so has everybody's test data: say so in the change log.
#[test]
fn the_bytes_are_fixed() {
    let options = GenerateOptions::new().with_lines(100_000);
    let hashes = [
        options.clone(),
        options.clone().with_seed(1),
        options.clone().with_traffic(Traffic::Combined),
        options.with_traffic(Traffic::Combined).with_oddities(0.1).with_start(0, 330),
    ]
    .map(|options| fnv(&whole(options)));
    assert_eq!(
        hashes,
        [
            6_845_680_492_507_935_777,
            18_308_137_770_399_534_392,
            16_433_427_074_309_719_532,
            1_956_955_273_626_289_779
        ]
    );
}

#[test]
fn lines_look_like_this() {
    let log = String::from_utf8(whole(GenerateOptions::new().with_lines(2))).unwrap();
    assert_eq!(
        log,
        "161.243.56.77 - - [01/Jul/1995:00:00:01 -0400] \"GET /images/USA-logosmall.gif HTTP/1.0\" 200 234\n\
         pc40.mica.com - - [01/Jul/1995:00:00:01 -0400] \"GET /images/launch-logo.gif HTTP/1.0\" 200 1713\n"
    );
}

#[test]
fn chunking_changes_nothing() {
    let options = GenerateOptions::new().with_lines(5000).with_oddities(0.2).with_traffic(Traffic::Combined);
    let all = whole(options.clone());
    for size in [1, 7, 4096, 1 << 20] {
        let mut generator = Generator::new(options.clone()).unwrap();
        let (mut log, mut buffer) = (Vec::new(), vec![0; size]);
        loop {
            let count = generator.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            log.extend_from_slice(&buffer[..count]);
        }
        assert!(log == all, "reads of {size}");
    }
    // A read, then fills.
    let mut generator = Generator::new(options).unwrap();
    let mut log = vec![0; 1000];
    generator.read_exact(&mut log).unwrap();
    while generator.fill(&mut log) {}
    assert!(log == all);
}

#[test]
fn ordinary_lines_stay_when_others_turn_odd() {
    let options = GenerateOptions::new().with_lines(2000);
    let plain = whole(options.clone());
    let plain: HashSet<&[u8]> = plain.split(|&byte| byte == b'\n').collect();
    let odd = whole(options.with_oddities(0.25));
    let kept = odd.split(|&byte| byte == b'\n').filter(|line| plain.contains(line)).count();
    assert!((1400..1600).contains(&kept), "{kept}");
}

#[test]
fn times_never_go_back_and_a_month_has_its_lines() {
    let log = String::from_utf8(whole(GenerateOptions::new().with_lines(1_891_715))).unwrap();
    let time = |line: &str| line.split('[').nth(1).unwrap()[..20].to_owned();
    let mut before = String::new();
    for line in log.lines() {
        let now = time(line);
        // Within a month and year the text sorts as the time does.
        assert!(before <= now || now.contains("Aug"), "{before} {now}");
        before = now;
    }
    assert!(before.starts_with("31/Jul/1995") || before.starts_with("01/Aug/1995"), "{before}");
}

#[test]
fn shares_are_those_of_nasa() {
    let lines = 1_000_000;
    let log = String::from_utf8(whole(GenerateOptions::new().with_lines(lines).with_seed(3))).unwrap();
    let mut status = std::collections::BTreeMap::new();
    let (mut hosts, mut targets, mut missing) = (HashSet::new(), HashSet::new(), 0);
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words.len(), 10);
        *status.entry(words[8]).or_insert(0_u32) += 1;
        missing += u32::from(words[9] == "-");
        hosts.insert(words[0]);
        targets.insert(words[6]);
    }
    let share = |code: &str| f64::from(status[code]) / lines as f64;
    assert!((share("200") - 0.896).abs() < 0.002);
    assert!((share("304") - 0.077).abs() < 0.002);
    assert!((share("302") - 0.021).abs() < 0.001);
    assert!((share("404") - 0.006).abs() < 0.0005);
    assert!(["400", "403", "500", "501"].iter().all(|code| status.get(code).is_some_and(|&n| n < 150)));
    assert!((f64::from(missing) / lines as f64 - 0.0098).abs() < 0.0005);
    assert!((40_000..90_000).contains(&hosts.len()), "{}", hosts.len());
    assert!((10_000..22_100).contains(&targets.len()), "{}", targets.len());
}

#[test]
fn oddities_come_in_their_proportions() {
    let options = GenerateOptions::new().with_lines(200_000).with_oddities(0.1);
    let mut generator = Generator::new(options).unwrap();
    let mut log = Vec::new();
    generator.write_to(&mut log).unwrap();
    let tally = generator.tally();
    assert_eq!(tally.lines, 200_000);
    assert_eq!(tally.lines, log.iter().filter(|&&byte| byte == b'\n').count() as u64);
    for (kind, count) in &tally.odd {
        let expected = 20.0 * f64::from(kind.per_mille());
        assert!((*count as f64 - expected).abs() < 6.0 * expected.sqrt(), "{kind:?}: {count} for {expected}");
    }
    let blank =
        log.split(|&byte| byte == b'\n').filter(|line| line.trim_ascii().is_empty()).count() as u64 - 1;
    assert_eq!(tally.count(Outcome::Blank), blank);
    let parts = [Outcome::Row, Outcome::Blank].map(|outcome| tally.count(outcome)).iter().sum::<u64>()
        + crate::RejectReason::ALL.map(|reason| tally.count(Outcome::Reject(reason))).iter().sum::<u64>();
    assert_eq!(parts, tally.lines);
}

#[test]
fn bad_options_are_errors_that_say_so() {
    for options in [
        GenerateOptions::new().with_oddities(1.5),
        GenerateOptions::new().with_oddities(f64::NAN),
        GenerateOptions::new().with_start(i64::MAX, 0),
        GenerateOptions::new().with_start(i64::MIN, 0),
        GenerateOptions::new().with_start(0, 1440),
    ] {
        let error = Generator::new(options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Options);
        assert!(error.hint().is_some());
    }
}

#[test]
fn no_lines_are_no_bytes() {
    assert!(whole(GenerateOptions::new().with_lines(0)).is_empty());
}
