//! What the server has: pages, pictures, films, and the size of each.

use std::collections::HashSet;

use super::random::{Alias, Random};
use super::template::expand;

/// A thing that can be asked for, with the size that a server would always report for it.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) path: Vec<u8>,
    pub(super) size: u64,
}

impl Page {
    fn has_extension(&self, extensions: &[&str]) -> bool {
        extensions.iter().any(|extension| self.path.ends_with(extension.as_bytes()))
    }

    /// Whether a browser keeps it, and so may ask whether it has changed.
    pub(super) fn is_cacheable(&self) -> bool {
        self.has_extension(&[".gif", ".html", ".jpg", ".xbm", ".GIF", "/"])
    }

    /// Whether other pages are reached from it.
    pub(super) fn is_document(&self) -> bool {
        self.has_extension(&[".html", "/"])
    }
}

/// A number of distinct pages, the most wanted first. The same for every seed.
pub(super) fn pages(count: usize) -> Vec<Page> {
    let mut pages: Vec<Page> =
        MOST_WANTED.iter().map(|&(path, size)| Page { path: path.as_bytes().to_vec(), size }).collect();
    let mut seen: HashSet<Vec<u8>> = pages.iter().map(|page| page.path.clone()).collect();
    let mut random = Random::new(0x7531);
    let shares: Vec<u64> = PATTERNS.iter().map(|(share, ..)| *share).collect();
    let patterns = Alias::new(&shares);
    while pages.len() < count {
        let (_, pattern, smallest, doublings) = PATTERNS[patterns.at(random.next())];
        let mut path = Vec::new();
        expand(pattern, &mut random, &mut path);
        if seen.insert(path.clone()) {
            // Sizes differ by orders of magnitude: evenly spread over their doublings.
            let floor = smallest << random.below(doublings);
            pages.push(Page { path, size: u64::from(floor + random.below(floor)) });
        }
    }
    pages
}

/// Share in thousandths, path (see [`expand`]), smallest size in bytes, and over how many doublings of it sizes go.
const PATTERNS: &[(u64, &str, u32, u32)] = &[
    (60, "/shuttle/missions/sts-$/mission-sts-|.html", 2000, 4),
    (30, "/shuttle/missions/sts-$/sts-|-patch-small.gif", 4000, 3),
    (20, "/shuttle/missions/sts-$/sts-|-patch.jpg", 25_000, 3),
    (20, "/shuttle/missions/sts-$/sts-|-info.html", 1000, 2),
    (40, "/shuttle/missions/sts-$/sts-|-day-##-highlights.html", 2500, 3),
    (20, "/shuttle/missions/sts-$/images/images.html", 1500, 3),
    (50, "/shuttle/missions/sts-$/images/KSC-9>EC-####.gif", 14_000, 4),
    (80, "/shuttle/missions/sts-$/images/KSC-9>EC-####.jpg", 10_000, 4),
    (30, "/shuttle/missions/sts-$/images/KSC-9>EC-####.txt", 700, 2),
    (20, "/shuttle/missions/sts-$/images/##HC###.GIF", 22_000, 3),
    (16, "/shuttle/missions/sts-$/movies/sts-|-*.mpg", 40_000, 5),
    (8, "/shuttle/missions/sts-$/movies/", 400, 2),
    (14, "/shuttle/missions/sts-$/sounds/*.wav", 6000, 5),
    (8, "/shuttle/missions/sts-$/sounds/", 300, 2),
    (40, "/shuttle/missions/sts-$/news/sts-|-mcc-##.txt", 1500, 3),
    (12, "/shuttle/missions/sts-$/docs/*.txt", 2000, 6),
    (30, "/shuttle/technology/images/*_$-small.gif", 10_000, 3),
    (20, "/shuttle/technology/images/*_$.jpg", 25_000, 3),
    (14, "/shuttle/technology/sts-newsref/sts-*.html", 8000, 4),
    (10, "/shuttle/countdown/lps/images/*-large.gif", 12_000, 3),
    (10, "/shuttle/resources/orbiters/*.html", 2000, 3),
    (40, "/history/apollo/apollo-</images/##HC###.GIF", 22_000, 3),
    (20, "/history/apollo/apollo-</sounds/a|_###.wav", 6000, 5),
    (8, "/history/apollo/apollo-</movies/*.mpg", 40_000, 5),
    (14, "/history/apollo/apollo-</apollo-|-info.html", 1000, 3),
    (12, "/history/apollo/apollo-</docs/*.txt", 2000, 5),
    (12, "/history/gemini/gemini-</*.html", 1000, 4),
    (12, "/history/mercury/ma-</ma-|-patch-small.gif", 5000, 3),
    (10, "/history/skylab/skylab-<.html", 1500, 3),
    (70, "/news/sci.space.news/archive/sci-space-news-<-!-199>-##.txt", 6000, 4),
    (60, "/news/sci.space.shuttle/archive/sci-space-shuttle-<-!-199>-##.txt", 6000, 4),
    (14, "/software/winvn/faq/WINVNFAQ-I-$.html", 600, 3),
    (10, "/software/winvn/userguide/#_#_$.gif", 800, 4),
    (6, "/pub/winvn/win3/*$.zip", 60_000, 4),
    (10, "/facilities/*.html", 1500, 3),
    (14, "/images/*-small.gif", 5000, 4),
    (14, "/images/*-logo.gif", 700, 4),
    (20, "/persons/astronauts/^-to-^/*^^.txt", 2000, 3),
    (14, "/biomed/*/gif/*med.gif", 4000, 4),
    (8, "/mdss/*/*.html", 800, 4),
    (8, "/elv/*/*.htm", 800, 4),
    (10, "/msfc/*/*.html", 900, 4),
    (10, "/payloads/*/*.gif", 3000, 4),
    (10, "/procurement/*/*.html", 900, 5),
    (20, "/statistics/199>/!/!9>_request.gif", 4000, 3),
    (12, "/htbin/wais.pl?*", 300, 5),
    (10, "/htbin/wais.pl?*+*", 300, 5),
];

/// The head of the list, as it was in July 1995.
const MOST_WANTED: &[(&str, u64)] = &[
    ("/images/NASA-logosmall.gif", 786),
    ("/images/KSC-logosmall.gif", 1204),
    ("/images/MOSAIC-logosmall.gif", 363),
    ("/images/USA-logosmall.gif", 234),
    ("/images/WORLD-logosmall.gif", 669),
    ("/images/ksclogo-medium.gif", 5866),
    ("/images/launch-logo.gif", 1713),
    ("/shuttle/countdown/", 3985),
    ("/ksc.html", 7074),
    ("/images/ksclogosmall.gif", 3635),
    ("/", 7074),
    ("/shuttle/missions/missions.html", 8677),
    ("/shuttle/countdown/count.gif", 40_310),
    ("/shuttle/missions/sts-71/sts-71-patch-small.gif", 12_054),
    ("/shuttle/missions/sts-71/images/images.html", 7634),
    ("/shuttle/missions/sts-71/mission-sts-71.html", 12_040),
    ("/images/launchmedium.gif", 11_853),
    ("/shuttle/countdown/liftoff.html", 4538),
    ("/shuttle/missions/sts-70/mission-sts-70.html", 13_469),
    ("/shuttle/countdown/video/livevideo.gif", 57_344),
    ("/htbin/cdt_main.pl", 3214),
    ("/icons/menu.xbm", 527),
    ("/icons/blank.xbm", 509),
    ("/icons/image.xbm", 509),
    ("/icons/text.xbm", 527),
    ("/history/apollo/images/footprint-small.gif", 18_149),
    ("/history/apollo/images/apollo-logo.gif", 3047),
    ("/history/apollo/apollo.html", 3258),
    ("/history/apollo/apollo-13/apollo-13.html", 18_114),
    ("/shuttle/resources/orbiters/orbiters-logo.gif", 1932),
    ("/history/apollo/images/footprint-logo.gif", 4209),
    ("/shuttle/missions/sts-71/movies/movies.html", 3092),
    ("/shuttle/countdown/countdown.html", 3985),
    ("/history/history.html", 1502),
    ("/shuttle/missions/sts-71/images/KSC-95EC-0918.jpg", 46_888),
    ("/shuttle/resources/orbiters/atlantis.html", 7025),
    ("/history/apollo/apollo-13/apollo-13-patch-small.gif", 12_859),
    ("/history/apollo/apollo-13/apollo-13-info.html", 1583),
    ("/shuttle/resources/orbiters/atlantis-logo.gif", 4179),
    ("/history/apollo/images/apollo-small.gif", 9630),
    ("/shuttle/technology/sts-newsref/stsref-toc.html", 84_907),
    ("/software/winvn/winvn.html", 9867),
    ("/shuttle/missions/sts-71/images/KSC-95EC-0917.jpg", 52_491),
    ("/images/shuttle-patch-small.gif", 4179),
    ("/images/kscmap-tiny.gif", 2537),
    ("/history/apollo/apollo-13/", 1732),
    ("/shuttle/missions/sts-71/images/KSC-95EC-0916.jpg", 34_029),
    ("/history/apollo/apollo-13/images/", 1851),
    ("/software/winvn/winvn.gif", 25_218),
    ("/images/construct.gif", 1414),
    ("/history/apollo/apollo-13/sounds/", 1157),
    ("/software/winvn/bluemarb.gif", 4441),
    ("/shuttle/countdown/lps/fr.html", 1879),
    ("/software/winvn/wvsmall.gif", 13_372),
    ("/shuttle/missions/sts-71/movies/sts-71-launch-3.mpg", 130_724),
    ("/images/shuttle-patch-logo.gif", 891),
    ("/htbin/cdt_clock.pl", 543),
    ("/facilities/lc39a.html", 7008),
    ("/shuttle/missions/sts-71/movies/crew-arrival-t38.mpg", 305_722),
    ("/shuttle/missions/sts-67/mission-sts-67.html", 21_408),
    ("/icons/movie.xbm", 530),
    ("/history/apollo/apollo-11/apollo-11.html", 41_397),
    ("/shuttle/missions/sts-71/images/index71.gif", 235_862),
    ("/shuttle/countdown/tour.html", 4347),
    ("/shuttle/countdown/lps/fr.gif", 30_232),
    ("/images/lc39a-logo.gif", 13_116),
    ("/htbin/wais.pl", 308),
    ("/icons/sound.xbm", 530),
    ("/shuttle/technology/sts-newsref/sts_asm.html", 71_656),
    ("/history/apollo/apollo-13/sounds/a13_002.wav", 127_045),
    ("/whats-new.html", 17_314),
    ("/shuttle/missions/sts-71/movies/sts-71-mir-dock.mpg", 946_425),
    ("/shuttle/missions/sts-71/movies/sts-71-launch.mpg", 1_121_554),
    ("/images/", 17_688),
    ("/history/apollo/", 6245),
    ("/facts/about_ksc.html", 3977),
    ("/statistics/statistics.html", 3967),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_distinct_plain_targets() {
        let pages = pages(14_000);
        assert_eq!(pages.len(), 14_000);
        assert_eq!(pages.iter().map(|page| &page.path).collect::<HashSet<_>>().len(), 14_000);
        assert!(pages.iter().all(|page| page.path.starts_with(b"/")
            && page.path.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'"' && *byte != b'\\')));
        assert!(pages.iter().all(|page| page.size > 0 && page.size < 8_000_000));
    }
}
