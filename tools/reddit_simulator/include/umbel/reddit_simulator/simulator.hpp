// An imitation of Reddit's API for demonstrations and tests: token, listings, comments, rate
// limits, over an endless seeded stream of submissions.
//
// What exists at an instant is a pure function of the options and the wall clock: a simulator that
// was killed and started again serves the same submissions under the same ids. Only tokens are
// forgotten, and what the ledger knows if it has no file.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/http/router.hpp"

namespace umbel::reddit_simulator {

struct SimulatorOptions {
  std::uint64_t seed = 1;
  double rate = 0.7;  // new submissions per second, over all subreddits
  std::vector<std::string> subreddits{"AskReddit", "technology", "programming", "linux",
                                      "cpp"};  // busiest first
  // Submission number 0 is created shortly after this instant. Fixed by default, so that a restart
  // on another day changes nothing.
  WallTime epoch = from_micros(1'735'689'600'000'000);  // 2025-01-01T00:00:00Z
  // How far back from the first start listings reach; with a ledger file the first start of all is
  // remembered.
  std::chrono::seconds history{120};
  std::string client_id, client_secret;  // both empty: any credentials get a token
  std::chrono::seconds token_ttl{3600};
  // API requests for each token in each window: Reddit grants 100 a minute.
  std::int64_t rate_limit = 1000;
  // Requests without a token, on the public pages, for each address in each window.
  std::int64_t public_rate_limit = 1000;
  std::chrono::seconds rate_window{600};
  std::string ledger_path;            // empty: the ledger is kept in memory alone
  std::size_t ledger_keep = 200'000;  // submissions that the ledger knows; older ones are counted

  std::vector<std::string> faults;  // `KIND=RATE`; the kinds are listed in the README
  // Subreddits that refuse everybody, for good; they need not be in the stream.
  std::vector<std::string> private_subreddits, banned_subreddits, quarantined_subreddits;
  std::chrono::milliseconds slow{20'000};    // how long the faults `hang` and `drip` last
  std::chrono::seconds retry_after{2};       // what the fault `429` asks for
  std::size_t oversized = 64 * 1024 * 1024;  // bytes of the faults `oversized` and `bomb`
  // Every answer takes this long in the middle, and this long at the 99th percentile
  // (log-normal); 0: no time.
  std::chrono::milliseconds latency_median{0}, latency_p99{0};
};

// Thread-safe. Owns its ledger; the clock outlives it, and it outlives the router that it added
// routes to.
class Simulator {
 public:
  // Invalid: an option makes no sense, or the ledger file cannot be used; the error says which and
  // why.
  [[nodiscard]] static Result<std::unique_ptr<Simulator>> open(SimulatorOptions options,
                                                               const Clock& clock, Log log);
  ~Simulator();

  // The API's routes, the public pages, and GET /ledger.
  void add_routes(http::Router& router);
  // Ends the pauses of answers that are being made, so that a server can stop; later ones have
  // none. Called by the destructor.
  void stop();

 private:
  struct Impl;
  explicit Simulator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace umbel::reddit_simulator
