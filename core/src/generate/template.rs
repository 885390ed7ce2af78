//! Names made from patterns.

use super::random::Random;
use crate::field::time::MONTHS;

/// Appends a pattern with its wildcards filled in: `#` a digit, `$` a number from 1 to 99, `<` one from 1 to 17, `|` the
/// last of these numbers again, `>` a digit from 3 to 5, `^` a small letter, `*` a word, `@` a place, `!` a month.
pub(super) fn expand(pattern: &str, random: &mut Random, out: &mut Vec<u8>) {
    let mut number = 1;
    for &byte in pattern.as_bytes() {
        match byte {
            b'#' => out.push(b'0' + random.below(10) as u8),
            b'^' => out.push(b'a' + random.below(26) as u8),
            b'$' | b'<' => {
                number = u64::from(1 + random.below(if byte == b'$' { 99 } else { 17 }));
                push_number(number, out);
            }
            b'|' => push_number(number, out),
            b'>' => out.push(b'3' + random.below(3) as u8),
            b'!' => out.extend(random.pick(&MONTHS).map(|letter| letter.to_ascii_lowercase())),
            b'*' => out.extend_from_slice(random.pick(WORDS).as_bytes()),
            b'@' => out.extend_from_slice(random.pick(PLACES).as_bytes()),
            other => out.push(other),
        }
    }
}

/// Appends a number in decimal.
pub(super) fn push_number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// What people call their machines.
const WORDS: &[&str] = &[
    "apollo", "atlas", "aurora", "badger", "banyan", "beaker", "bigbird", "bilbo", "bison", "carrot",
    "cedar", "cheetah", "cobra", "comet", "condor", "cosmos", "coyote", "cygnus", "dale", "delphi",
    "dolphin", "dragon", "eagle", "ebony", "elmo", "enigma", "falcon", "fargo", "fig", "fozzie", "frodo",
    "galaxy", "gandalf", "gemini", "gonzo", "granite", "grouse", "hermes", "hobbes", "hydra", "icarus",
    "indigo", "iris", "jasper", "juniper", "jupiter", "kermit", "kiwi", "koala", "lemming", "lotus", "lynx",
    "magnum", "mango", "maple", "mars", "merlin", "metro", "mica", "mole", "mozart", "nebula", "neptune",
    "nimbus", "nova", "oberon", "octopus", "onyx", "opal", "orca", "orion", "osprey", "otter", "panda",
    "pepper", "phobos", "picard", "pinto", "pluto", "puffin", "quark", "quartz", "rainier", "raven",
    "redwood", "rigel", "rocky", "rubble", "sagan", "saturn", "scooter", "sierra", "sirius", "snoopy",
    "spock", "squid", "stimpy", "sushi", "talon", "tango", "tiger", "titan", "topaz", "triton", "tulip",
    "tuna", "urchin", "vega", "venus", "viper", "vulcan", "walrus", "willow", "wizard", "wombat", "xenon",
    "yoda", "yukon", "zaphod", "zebra", "zeus", "zippy",
];

/// Where providers have their modems.
const PLACES: &[&str] = &[
    "aus", "bal", "bos", "buf", "chi", "cin", "cle", "col", "dal", "dc", "den", "det", "dfw", "elp", "eug",
    "fhu", "fre", "ftl", "grr", "har", "hou", "ind", "jax", "kc", "la", "lax", "lou", "lv", "mem", "mia",
    "mil", "min", "mry", "nas", "nyc", "oma", "ont", "orl", "pdx", "phi", "phx", "pit", "pom", "pro", "ral",
    "ric", "roc", "sac", "sat", "sd", "sea", "sf", "sj", "slc", "stl", "syr", "tam", "tuc", "tul", "vgs",
    "wdc", "wor",
];
