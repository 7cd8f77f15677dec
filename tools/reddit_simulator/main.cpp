// umbel-reddit-simulator: an imitation of Reddit's API on a local port.

#include <cstdio>
#include <string>
#include <utility>

#include "umbel/base/text.hpp"
#include "umbel/http/server.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/ops/ops_server.hpp"
#include "umbel/reddit_simulator/simulator.hpp"
#include "umbel/runtime/allocator.hpp"
#include "umbel/runtime/service.hpp"
#include "umbel/runtime/settings.hpp"

namespace {

class HttpService final : public umbel::Service {
 public:
  HttpService(umbel::http::ServerOptions options, umbel::http::Router router,
              umbel::reddit_simulator::Simulator& simulator, umbel::Log log)
      : server_{std::move(options), std::move(router), {}, log}, simulator_{simulator}, log_{log} {}
  umbel::Result<void> start() override {
    auto started = server_.start();
    if (started) log_.info("simulating Reddit", {{"port", server_.port()}});
    return started;
  }
  void stop() override {
    simulator_.stop();
    server_.stop();
  }

 private:
  umbel::http::Server server_;
  umbel::reddit_simulator::Simulator& simulator_;
  umbel::Log log_;
};

struct Given {
  std::string address = "127.0.0.1", epoch = "2025-01-01T00:00:00Z";
  std::string log_level = "info", log_format = "text";
  std::int64_t port = 8090, seed = 1, history = 120, token_ttl = 3600, rate_limit = 1000;
  std::int64_t public_rate_limit = 1000, rate_window = 600, ledger_keep = 200'000;
  std::int64_t slow = 20, retry_after = 2, oversized = 64, latency_median = 0, latency_p99 = 0;
  umbel::reddit_simulator::SimulatorOptions options;
};

void declare(umbel::Settings& settings, Given& given) {
  settings.add({"address", "IPv4 address to listen on", "ADDRESS", {}}, given.address);
  settings.add({"port", "port to listen on; 0: any free one", "N", {}}, given.port, {0, 65535});
  settings.add({"seed", "another seed, other submissions", "N", {}}, given.seed, {0});
  settings.add({"rate", "new submissions per second, over all subreddits", "R", {}},
               given.options.rate);
  settings.add({"subreddits", "names, comma separated, busiest first", "A,B", {}},
               given.options.subreddits);
  settings.add({"epoch", "instant of the first submission of all (ISO 8601)", "TIME", {}},
               given.epoch);
  settings.add({"history", "seconds that listings reach back from the first start", "S", {}},
               given.history, {0, 315'360'000});
  settings.add({"client-id", "the only client that gets a token; empty: any does", "ID", {}},
               given.options.client_id);
  settings.add({"client-secret", "its secret", "SECRET", {}}, given.options.client_secret);
  settings.add({"token-ttl", "seconds until a token ends", "S", {}}, given.token_ttl,
               {1, 31'536'000});
  settings.add({"rate-limit", "requests for each token in a window", "N", {}}, given.rate_limit,
               {0, 1'000'000'000});
  settings.add(
      {"public-rate-limit", "requests for each address without a token in a window", "N", {}},
      given.public_rate_limit, {0, 1'000'000'000});
  settings.add({"rate-window", "seconds of a window of both limits", "S", {}}, given.rate_window,
               {1, 86'400});
  settings.add({"ledger", "file that keeps what was listed and served; empty: memory", "FILE", {}},
               given.options.ledger_path);
  settings.add(
      {"ledger-keep", "submissions that the ledger knows; older ones are only counted", "N", {}},
      given.ledger_keep, {1000, 100'000'000});
  auto& options = given.options;
  settings.add({"faults",
                "what goes wrong how often, 429=0.05,html=0.02 or all=0.03; kinds: 401 408 429 500 "
                "502 503 html truncated type empty reset hang drip oversized bomb badgzip gzip "
                "redirect loop elsewhere; lasting: private banned quarantined deleted",
                "KIND=RATE,…",
                {}},
               options.faults);
  settings.add({"private", "subreddits that answer 403 private", "A,B", {}},
               options.private_subreddits);
  settings.add({"banned", "subreddits that answer 404 banned", "A,B", {}},
               options.banned_subreddits);
  settings.add({"quarantined", "subreddits that answer 403 quarantined", "A,B", {}},
               options.quarantined_subreddits);
  settings.add({"slow", "seconds that the faults hang and drip last", "S", {}}, given.slow,
               {1, 600});
  settings.add({"retry-after", "seconds that the fault 429 asks to wait", "S", {}},
               given.retry_after, {0, 3600});
  settings.add({"oversized", "MiB of the faults oversized and bomb", "N", {}}, given.oversized,
               {1, 1024});
  settings.add({"latency-median", "milliseconds that half of all answers take at most", "MS", {}},
               given.latency_median, {0, 60'000});
  settings.add({"latency-p99", "milliseconds that 99 % of all answers take at most", "MS", {}},
               given.latency_p99, {0, 60'000});
  settings.add_choice({"log-level", "least important lines written", "LEVEL", {}}, given.log_level,
                      {"debug", "info", "warn", "error"});
  settings.add_choice({"log-format", "text or json", "FORMAT", {}}, given.log_format,
                      {"text", "json"});
}

umbel::LogLevel level_of(const std::string& text) {
  if (text == "debug") return umbel::LogLevel::Debug;
  if (text == "warn") return umbel::LogLevel::Warn;
  return text == "error" ? umbel::LogLevel::Error : umbel::LogLevel::Info;
}

int refused(const std::string& why) {
  std::fprintf(stderr, "umbel-reddit-simulator: %s\n", why.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  umbel::block_signals();
  umbel::bound_allocator();
  Given given;
  umbel::Settings settings{"umbel-reddit-simulator",
                           "imitates Reddit's API for demonstrations and tests"};
  declare(settings, given);
  if (const auto done = settings.load(argc, argv)) return *done;

  const auto epoch = umbel::parse_iso8601(given.epoch);
  if (!epoch) return refused("--epoch: '" + given.epoch + "' is no instant in ISO 8601");
  given.options.epoch = *epoch;
  given.options.seed = static_cast<std::uint64_t>(given.seed);
  given.options.history = std::chrono::seconds{given.history};
  given.options.token_ttl = std::chrono::seconds{given.token_ttl};
  given.options.rate_limit = given.rate_limit;
  given.options.public_rate_limit = given.public_rate_limit;
  given.options.rate_window = std::chrono::seconds{given.rate_window};
  given.options.ledger_keep = static_cast<std::size_t>(given.ledger_keep);
  given.options.slow = std::chrono::seconds{given.slow};
  given.options.retry_after = std::chrono::seconds{given.retry_after};
  given.options.oversized = static_cast<std::size_t>(given.oversized) * 1024 * 1024;
  given.options.latency_median = std::chrono::milliseconds{given.latency_median};
  given.options.latency_p99 = std::chrono::milliseconds{given.latency_p99};

  const umbel::SystemClock clock;
  const umbel::Log log{
      "umbel-reddit-simulator", level_of(given.log_level),
      given.log_format == "json" ? umbel::LogFormat::Json : umbel::LogFormat::Text};
  auto simulator = umbel::reddit_simulator::Simulator::open(given.options, clock, log);
  if (!simulator) return refused(simulator.error().what);

  const umbel::metrics::Metrics metrics{"umbel-reddit-simulator"};
  umbel::http::Router router;
  (*simulator)->add_routes(router);
  const umbel::Readiness ready;  // it needs nothing: it serves, or it is not there
  umbel::add_ops_routes(router, metrics, ready);

  umbel::http::ServerOptions listen;
  // A thread for each, and each keeps in its allocator's cache what it once freed: 100 KiB.
  listen.max_connections = 32;
  listen.address = given.address;
  listen.port = static_cast<std::uint16_t>(given.port);
  listen.allowed_hosts = {
      "*"};  // nothing here is worth protecting, and clients reach it by any name
  HttpService server{listen, std::move(router), **simulator, log};
  return umbel::run_until_signal({&server}, log);
}
