//! From exact to estimated, while counting goes on.

use super::{HOSTS_OF_URL, Tally, UrlHosts};
use crate::report::popular::Popular;
use crate::report::uniques::Uniques;

impl Tally {
    /// Bounds the memory from now on, as [`ReportOptions::with_approx`](super::ReportOptions::with_approx) does from the beginning:
    /// at most this many names of each kind are kept, and no longer twice as many for a time. What was counted so far was
    /// counted exactly; the report says from now on that it is not exact, and how good it is. It may be called again, with fewer.
    ///
    /// ```
    /// use nasalogs::report::{Account, ReportOptions, Tally};
    /// let mut tally = Tally::new(&ReportOptions::new());
    /// tally.limit(1 << 12);
    /// assert!(!tally.report(&Account::default(), 10).exact);
    /// ```
    pub fn limit(&mut self, names: usize) {
        self.options.approx = true;
        self.options.kept = (names / 2).max(16);
        self.traffic.limit(&self.hosts.names);
        self.url_hosts.limit(&self.hosts);
        let most = 2 * self.options.kept;
        let others = [self.referers.as_mut(), self.agents.as_mut()].into_iter().flatten();
        let named =
            [&mut self.urls, &mut self.hosts, &mut self.methods, &mut self.protocols, &mut self.gone_types];
        for popular in named.into_iter().chain(others) {
            popular.limit(most);
        }
        self.trim();
    }
}

impl UrlHosts {
    /// Sketches of what was known exactly.
    fn limit(&mut self, hosts: &Popular) {
        let Uniques::Exact(_) = self.own else { return };
        let mut sketches = Uniques::sketches(HOSTS_OF_URL);
        self.own.sketched(&mut sketches, |url| url, |host| (host, hosts.names.name(host)));
        for part in std::mem::take(&mut self.parts) {
            let name = |host: u32| {
                let host = part.hosts[host as usize];
                (host, hosts.names.name(host))
            };
            part.pairs.sketched(&mut sketches, |url| part.urls[url as usize], name);
        }
        self.own = sketches;
    }
}
