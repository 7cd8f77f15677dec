// Task messages. Input: a line each for the content type, the correlation id and the headers (no
// newline within), then the body.
#include "fuzz_one.hpp"
#include "umbel/celery/task_message.hpp"

namespace umbel::fuzz {

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input);
  std::string_view rest = text;
  Message message;
  message.content_type = take_line(rest);
  message.correlation_id = take_line(rest);
  message.headers = take_line(rest);
  message.body = rest;
  if (const auto id = celery::id_of(message)) {
    require(!id->str().empty() && id->str().size() <= 255, "an id fits AMQP");
  }
  const auto task = celery::decode_task(message);
  if (!task) {
    require(task.error().code == Errc::Invalid && !task.error().what.empty(), "a refusal says why");
    require(task.error().what.size() < 1000, "a refusal is short", task.error().what);
    return;
  }
  require(!task->task.empty() && !task->id.str().empty(), "a task has a name and an id");
  require(task->id.str().size() <= 255, "a task's id fits AMQP");
  require(task->retries >= 0, "retries are from 0");
  const Message written = celery::encode_task(*task);
  const auto again = celery::decode_task(written);
  require(again.has_value(), "what was written can be read", written.headers + '\n' + written.body);
  const Message twice = celery::encode_task(*again);
  require(twice == written, "writing twice gives the same message",
          written.headers + '\n' + written.body + '\n' + twice.headers + '\n' + twice.body);
  const auto third = celery::decode_task(twice);
  const bool has_nan = (written.headers + written.body).find("NaN") != std::string::npos;
  require(third.has_value() && (has_nan || *third == *again), "what was written reads as it was",
          written.headers + '\n' + written.body);
}

}  // namespace umbel::fuzz
