#include "management.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <utility>

#include "umbel/base/text.hpp"
#include "umbel/http/message.hpp"

namespace umbel::broker_rabbitmq {
namespace {

namespace json = boost::json;

constexpr std::chrono::milliseconds kLimit{2000};
constexpr std::size_t kMostBody = 64 * 1024 * 1024;
constexpr const char* kColumns =
    "name,auto_delete,messages_ready,messages_unacknowledged,consumers,head_message_timestamp,"
    "message_stats.publish,message_stats.ack";

std::optional<std::uint64_t> number(const json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64() && value->get_int64() >= 0) {
    return static_cast<std::uint64_t>(value->get_int64());
  }
  if (value->is_uint64()) return value->get_uint64();
  return std::nullopt;
}

bool holds_tasks(std::string_view name) {
  return !name.ends_with(".celery.pidbox") && !name.starts_with("celeryev.") &&
         !name.starts_with("umbel.events.") && !name.starts_with("celery_delayed_");
}

QueueFigures figures_of(const json::object& queue, std::string name) {
  QueueFigures figures;
  figures.name = QueueName{std::move(name)};
  figures.ready = number(queue, "messages_ready").value_or(0);
  figures.unacked = number(queue, "messages_unacknowledged");
  figures.consumers = number(queue, "consumers").value_or(0);
  if (const auto seconds = number(queue, "head_message_timestamp")) {
    figures.oldest_ready = from_unix_seconds(static_cast<double>(*seconds));
  }
  const auto* stats = queue.if_contains("message_stats");
  if (stats != nullptr && stats->is_object()) {
    // A count that is missing has not begun yet.
    figures.published_total = number(stats->get_object(), "publish").value_or(0);
    figures.acked_total = number(stats->get_object(), "ack").value_or(0);
  }
  return figures;
}

}  // namespace

Result<QueuesByName> read_queues(std::string_view text) {
  boost::system::error_code failed;
  const auto parsed = json::parse({text.data(), text.size()}, failed);
  if (failed || !parsed.is_array()) return invalid("it did not answer with a list of queues");
  QueuesByName queues;
  for (const auto& each : parsed.get_array()) {
    if (!each.is_object()) continue;
    const auto& queue = each.get_object();
    const auto* name = queue.if_contains("name");
    if (name == nullptr || !name->is_string()) continue;
    const auto* vanishes = queue.if_contains("auto_delete");
    if (vanishes != nullptr && vanishes->is_bool() && vanishes->get_bool()) continue;
    std::string text_of{name->get_string().data(), name->get_string().size()};
    if (!holds_tasks(text_of)) continue;
    queues[text_of] = figures_of(queue, text_of);
  }
  return queues;
}

Management::Management(const std::string& url, const AmqpHost& host, const Clock& clock, Log log)
    : shown_{without_password(url)}, outage_{"RabbitMQ's management API", clock, std::move(log)} {
  auto base = url;
  request_.basic_auth = host.user + ":" + host.password;
  const auto start = base.find("://") + 3;
  const auto end = std::min(base.find('/', start), base.size());
  if (const auto at = base.rfind('@', end); at != std::string::npos && at >= start) {
    request_.basic_auth = base.substr(start, at - start);
    base.erase(start, at + 1 - start);
  }
  while (base.ends_with('/')) base.pop_back();
  if (base.ends_with("/api")) base.resize(base.size() - 4);  // Flower's broker_api has it
  request_.url =
      fmt::format("{}/api/queues/{}?columns={}", base, http::percent_encoded(host.vhost), kColumns);
  request_.connect_timeout = request_.timeout = kLimit;
  request_.max_body = kMostBody;
}

Result<QueuesByName> Management::ask() {
  const auto answer = client_.send(request_);
  if (!answer) return unavailable(shown_ + ": " + answer.error().what);
  if (answer->status != 200) {
    return unavailable(fmt::format("{}: it answered {}{}", shown_, answer->status,
                                   answer->status == 401 ? " (wrong user or password, or without "
                                                           "the `monitoring` tag)"
                                                         : ""));
  }
  auto queues = read_queues(answer->body);
  if (!queues) return unavailable(shown_ + ": " + queues.error().what);
  return queues;
}

std::optional<QueuesByName> Management::queues() {
  const std::lock_guard lock{mutex_};
  if (outage_.failing() && Steady::now() < next_try_) return std::nullopt;
  auto asked = ask();
  if (!asked) {
    next_try_ = Steady::now() + outage_.failed(asked.error());
    return std::nullopt;
  }
  outage_.over();
  return std::move(*asked);
}

}  // namespace umbel::broker_rabbitmq
