// What follows a task. Input: the `embed` part of a task message's body, as JSON.
#include <algorithm>
#include <set>

#include "fuzz_one.hpp"
#include "umbel/celery/canvas.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/signature.hpp"

namespace umbel::fuzz {
namespace {

namespace json = boost::json;

celery::Surroundings surroundings(bool counted) {
  celery::Surroundings around;
  around.route = [](const std::string& task) { return QueueName{"of " + task}; };
  around.now = from_micros(1'795'350'700'000'000);
  around.origin = "gen1@fuzz";
  around.queue = QueueName{"own"};
  around.chords_are_counted = counted;
  return around;
}

void check_refusal(const Error& error) {
  require(error.code == Errc::Invalid && !error.what.empty(), "a refusal says why");
  require(error.what.size() < 2000, "a refusal is short", error.what);
}

void check_following(const Result<celery::Following>& following) {
  if (!following) {
    check_refusal(following.error());
    return;
  }
  for (const auto& child : following->sent) {
    require(!child.queue.empty(), "every message has a queue");
    const auto message = celery::encode_task(child.message);
    const auto read = celery::decode_task(message);
    require(read.has_value(), "what is sent can be read", message.headers + '\n' + message.body);
    require(celery::check_canvas(*read).has_value(), "and what follows it too", message.body);
  }
  for (const auto& task : following->fallen) {
    require(!task.id.empty() && !task.task.empty(), "what fell has an id and a name");
  }
}

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input);
  json::error_code code;
  const auto embed = json::parse(text, code);
  if (code || !embed.is_object()) return;
  celery::TaskMessage task;
  task.task = "parent";
  task.id = TaskId{"p"};
  task.group = "g";
  task.embed = embed.get_object();
  const auto checked = celery::check_canvas(task);
  if (!checked) check_refusal(checked.error());

  for (const bool counted : {false, true}) {
    const auto around = surroundings(counted);
    const auto success = celery::after_success(task, json::value(7), around);
    check_following(success);
    const auto again = celery::after_success(task, json::value(7), around);
    require(success.has_value() == again.has_value(), "the same again");
    if (success) {
      const bool same = std::ranges::equal(
          success->sent, again->sent,
          [](const auto& a, const auto& b) { return a.message.id == b.message.id; });
      require(same, "under the same ids");
    }
    check_following(celery::after_failure(task, around));
    check_following(celery::chord_body(task, {1, 2}, around));
    check_following(celery::chord_failure(task, around));
  }

  // A signature that was read is written as it would be read again.
  for (const char* const key : {"chord", "callbacks", "chain"}) {
    const auto* const value = task.embed.if_contains(key);
    if (value == nullptr || !value->is_object()) continue;
    const auto read = celery::read_signature(*value, key);
    if (!read) continue;
    const json::value document = celery::document_of(*read);
    const auto second = celery::read_signature(document, key);
    require(second.has_value() && *second == *read, "a signature survives its way");
    require(json::value(celery::document_of(*second)) == document, "twice");
  }
}

}  // namespace umbel::fuzz
