#include "stats.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <numeric>

namespace umbel {
namespace {

namespace json = boost::json;

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Celery writes 0 for no limit, and whole seconds as integers.
json::value limit_of(const std::optional<double>& seconds) {
  if (!seconds) return 0;
  if (std::floor(*seconds) == *seconds) return static_cast<std::int64_t>(*seconds);
  return *seconds;
}

json::object writes_of(const PoolFacts& pool) {
  const auto total = std::accumulate(pool.jobs.begin(), pool.jobs.end(), std::uint64_t{0});
  std::vector<std::string> shares;
  for (const auto jobs : pool.jobs) {
    shares.push_back(fmt::format(
        "{:.2f}", total == 0 ? 0.0 : static_cast<double>(jobs) / static_cast<double>(total)));
  }
  const double average = pool.jobs.empty() ? 0 : 1.0 / static_cast<double>(pool.jobs.size());
  return {{"total", total},
          {"avg", fmt::format("{:.2f}", total == 0 ? 0.0 : average)},
          {"all", fmt::format("{}", fmt::join(shares, ", "))},
          {"raw", fmt::format("{}", fmt::join(pool.jobs, ", "))},
          {"strategy", "fair"},
          {"inqueues", json::object{{"total", pool.processes.size()}, {"active", pool.active}}}};
}

json::object pool_of(const PoolFacts& pool) {
  if (!pool.processes_of_its_own) {
    json::object document{{"max-concurrency", pool.slots}, {"threads", pool.slots}};
    if (pool.stuck > 0) document["threads-stuck"] = pool.stuck;
    return document;
  }
  json::object document;
  document["max-concurrency"] = pool.slots;
  document["processes"] = json::array(pool.processes.begin(), pool.processes.end());
  document["max-tasks-per-child"] =
      pool.tasks_per_child ? json::value(*pool.tasks_per_child) : json::value("N/A");
  document["put-guarded-by-semaphore"] = false;
  document["timeouts"] = json::array{limit_of(pool.soft_limit), limit_of(pool.hard_limit)};
  document["writes"] = writes_of(pool);
  return document;
}

json::object rusage_of(const rusage& used) {
  return {{"utime", seconds_of(used.ru_utime)},
          {"stime", seconds_of(used.ru_stime)},
          {"maxrss", used.ru_maxrss},
          {"ixrss", used.ru_ixrss},
          {"idrss", used.ru_idrss},
          {"isrss", used.ru_isrss},
          {"minflt", used.ru_minflt},
          {"majflt", used.ru_majflt},
          {"nswap", used.ru_nswap},
          {"inblock", used.ru_inblock},
          {"oublock", used.ru_oublock},
          {"msgsnd", used.ru_msgsnd},
          {"msgrcv", used.ru_msgrcv},
          {"nsignals", used.ru_nsignals},
          {"nvcsw", used.ru_nvcsw},
          {"nivcsw", used.ru_nivcsw}};
}

// `%2F` and its like, where they are well formed.
std::string unescaped(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

struct Place {
  std::string transport, user, host, path;
  std::optional<std::int64_t> port;
};

std::optional<std::int64_t> port_of(std::string_view digits) {
  if (digits.empty() || digits.size() > 5 ||
      digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  return std::stoll(std::string{digits});
}

// Of the first of several.
Place place_of(std::string_view url) {
  url = url.substr(0, url.find(';'));
  Place place;
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) {
    const auto colon = url.find(':');
    place.transport = std::string{url.substr(0, colon)};
    if (colon != std::string_view::npos) {
      place.path = std::string{url.substr(colon + 1, url.find('?') - colon - 1)};
    }
    return place;
  }
  place.transport = std::string{url.substr(0, scheme)};
  auto rest = url.substr(scheme + 3);
  rest = rest.substr(0, rest.find('?'));
  auto authority = rest.substr(0, rest.find('/'));
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    place.path = unescaped(rest.substr(slash + 1));
  }
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    const auto user = authority.substr(0, at);
    place.user = unescaped(user.substr(0, user.find(':')));
    authority = authority.substr(at + 1);
  }
  const auto colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    place.port = port_of(authority.substr(colon + 1));
    authority = authority.substr(0, colon);
  }
  place.host = unescaped(authority);
  return place;
}

}  // namespace

json::object stats_document(const WorkerFacts& facts, std::int64_t pid, std::int64_t clock,
                            const rusage& used) {
  json::object total;
  for (const auto& [name, count] : facts.total) total[name] = count;
  json::object document;
  document["total"] = std::move(total);
  document["pid"] = pid;
  document["clock"] = std::to_string(clock);
  document["uptime"] = static_cast<std::int64_t>(std::llround(facts.uptime));
  document["pool"] = pool_of(facts.pool);
  if (facts.autoscale) {
    document["autoscaler"] = json::object{{"max", facts.autoscale->range.most},
                                          {"min", facts.autoscale->range.least},
                                          {"current", facts.autoscale->current},
                                          {"qty", facts.autoscale->reserved}};
  }
  document["broker"] = facts.broker;
  document["prefetch_count"] = facts.prefetch;
  document["rusage"] = rusage_of(used);
  return document;
}

json::object queue_document(const ConsumedQueue& queue) {
  const auto& name = queue.name.str();
  const auto from = queue.binding.value_or(QueueBinding{name, "direct", name});
  return {{"name", name},
          {"exchange", json::object{{"name", from.exchange},
                                    {"type", from.type},
                                    {"arguments", nullptr},
                                    {"durable", true},
                                    {"passive", false},
                                    {"auto_delete", false},
                                    {"delivery_mode", nullptr},
                                    {"no_declare", false}}},
          {"routing_key", from.key},
          {"queue_arguments", nullptr},
          {"binding_arguments", nullptr},
          {"consumer_arguments", nullptr},
          {"durable", true},
          {"exclusive", false},
          {"auto_delete", false},
          {"no_ack", false},
          {"alias", nullptr},
          {"bindings", json::array{}},
          {"no_declare", nullptr},
          {"expires", nullptr},
          {"message_ttl", nullptr},
          {"max_length", nullptr},
          {"max_length_bytes", nullptr},
          {"max_priority", nullptr}};
}

json::object broker_document(const std::string& url) {
  const auto place = place_of(url);
  const bool network = !place.host.empty() || url.find("://") != std::string::npos;
  const bool secure = place.transport == "amqps" || place.transport == "rediss";
  const auto text = [](const std::string& value) {
    return value.empty() ? json::value(nullptr) : json::value(value);
  };
  json::object document;
  document["hostname"] = text(place.host);
  document["userid"] = text(place.user);
  document["virtual_host"] = network && place.path.empty() ? json::value("/") : text(place.path);
  document["port"] = place.port ? json::value(*place.port) : json::value(nullptr);
  document["insist"] = false;
  document["ssl"] = secure;
  document["transport"] =
      place.transport == "amqps" || place.transport == "pyamqp" ? "amqp" : place.transport;
  document["connect_timeout"] = 4;
  document["transport_options"] = json::object{};
  document["login_method"] = network ? json::value("PLAIN") : json::value(nullptr);
  document["uri_prefix"] = nullptr;
  document["heartbeat"] = network ? json::value(120.0) : json::value(nullptr);
  document["failover_strategy"] = "round-robin";
  json::array alternates;
  for (auto from = url.find(';'); from != std::string::npos;) {
    const auto next = url.find(';', from + 1);
    const auto other = place_of(url.substr(from + 1, next - from - 1));
    if (!other.host.empty()) {
      alternates.emplace_back(
          other.port ? fmt::format("{}://{}:{}", other.transport, other.host, *other.port)
                     : fmt::format("{}://{}", other.transport, other.host));
    }
    from = next;
  }
  document["alternates"] = std::move(alternates);
  return document;
}

}  // namespace umbel
