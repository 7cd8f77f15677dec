#include "umbel/engines/engines.hpp"

#include <filesystem>
#include <utility>

#include "umbel/base/text.hpp"
#include "umbel/broker_rabbitmq/rabbitmq_broker.hpp"
#include "umbel/broker_sqlite/sqlite_broker.hpp"
#include "umbel/results_redis/redis_results.hpp"
#include "umbel/results_rpc/rpc_results.hpp"
#include "umbel/store_sqlite/sqlite_history.hpp"
#include "umbel/store_sqlite/sqlite_store.hpp"

namespace umbel {
namespace {

struct SqliteUrl {
  std::string path;
  bool full_sync = false;
};

Result<SqliteUrl> parse_sqlite(const std::string& url, const char* what) {
  constexpr std::string_view kScheme = "sqlite:";
  const auto refuse = [&](const std::string& why) {
    return invalid(std::string{what} + " URL `" + without_password(url) + "`: " + why +
                   "; allowed is sqlite:PATH, with ?synchronous=full to survive power loss" +
                   (std::string_view{what} == "broker"
                        ? ", or amqp://USER:PASSWORD@HOST:PORT/VHOST (amqps:// with TLS)"
                        : ""));
  };
  if (!url.starts_with(kScheme)) return refuse("the scheme is not one this build knows");
  SqliteUrl parsed;
  parsed.path = url.substr(kScheme.size());
  if (const auto mark = parsed.path.find('?'); mark != std::string::npos) {
    const std::string option = parsed.path.substr(mark + 1);
    parsed.path.resize(mark);
    if (option == "synchronous=full") {
      parsed.full_sync = true;
    } else if (option != "synchronous=normal") {
      return refuse("`" + option + "` is not an option");
    }
  }
  if (parsed.path.starts_with("//")) parsed.path.erase(0, 2);  // sqlite:///abs and sqlite://rel
  if (parsed.path.empty()) return refuse("the path is missing");
  return parsed;
}

}  // namespace

Result<std::unique_ptr<Broker>> open_broker(const std::string& url, const Clock& clock,
                                            const Log& log) {
  if (is_amqp_url(url)) {
    auto amqp = parse_amqp_url(url);
    if (!amqp) return amqp.error();
    RabbitmqBrokerOptions options;
    options.url = std::move(*amqp);
    return open_rabbitmq_broker(std::move(options), clock, log);
  }
  const auto parsed = parse_sqlite(url, "broker");
  if (!parsed) return parsed.error();
  SqliteBrokerOptions options;
  options.path = parsed->path;
  options.full_sync = parsed->full_sync;
  return open_sqlite_broker(std::move(options), clock, log);
}

Result<std::unique_ptr<Store>> open_store(const std::string& url, const Clock& clock,
                                          const Log& log) {
  const auto parsed = parse_sqlite(url, "store");
  if (!parsed) return parsed.error();
  return open_sqlite_store({.path = parsed->path, .full_sync = parsed->full_sync}, clock, log);
}

Result<std::unique_ptr<History>> open_history(const std::string& store_url, const Clock& clock,
                                              const Log& log) {
  const auto parsed = parse_sqlite(store_url, "store");
  if (!parsed) return parsed.error();
  const auto folder = std::filesystem::path{parsed->path}.parent_path() / "history";
  return open_sqlite_history({.folder = folder.string()}, clock, log);
}

Result<std::unique_ptr<CallerResults>> open_caller_results(const std::string& url, Broker* broker) {
  using Opened = std::unique_ptr<CallerResults>;
  if (url == "none") return Opened{};
  if (url.empty() || url == "rpc" || url == "rpc://") {
    return broker == nullptr ? Opened{} : make_rpc_results(*broker);
  }
  if (is_redis_url(url)) {
    auto options = parse_redis_url(url);
    if (!options) return options.error();
    return make_redis_results(std::move(*options));
  }
  return invalid(
      "result backend URL `" + without_password(url) +
      "`: the scheme is not one this build knows; allowed are rpc://, redis://… and none");
}

}  // namespace umbel
