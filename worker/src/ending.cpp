#include "ending.hpp"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/repr.hpp"
#include "umbel/celery/task_message.hpp"
#include "umbel/worker/task.hpp"

namespace umbel {
namespace {

constexpr std::size_t kLongestMessage = 65'536;  // bytes of what was thrown that are kept
constexpr int kMostCauses = 10;

// What a task throws may hold any bytes; what is stored is JSON.
std::string clean(const std::string& text) {
  const auto read = celery::parse_json(json_quoted(shortened(text, kLongestMessage)));
  return read ? std::string{read->as_string()} : std::string{};
}

Ending described(TaskState state, const Raised& raised) {
  Ending ending;
  ending.state = state;
  ending.result =
      celery::to_json(celery::exception_document(raised.type, raised.message, raised.module));
  ending.shown = shortened(celery::repr_exception(raised.type, raised.message), celery::kReprLimit);
  ending.message = fmt::format("{}: {}", raised.type, raised.message);
  ending.traceback = ending.message + "\n";
  return ending;
}

Raised raised(Raised::Kind kind, std::string type, const std::string& message,
              std::string module = "builtins") {
  return {kind, std::move(type), clean(message), std::move(module), std::nullopt};
}

// what() of a foreign exception is a pointer that nobody vouches for.
std::string words_of(const std::exception& error) {
  const char* text = error.what();
  return text == nullptr ? "" : text;
}

// What std::throw_with_nested wrapped, from the outside in.
std::string causes_of(const std::exception& error, int most = kMostCauses) {
  try {
    std::rethrow_if_nested(error);
    return "";
  } catch (const std::exception& cause) {
    auto text = "; caused by: " + words_of(cause);
    return most > 1 ? text + causes_of(cause, most - 1) : text;
  } catch (...) {
    return "; caused by something that is no std::exception";
  }
}

}  // namespace

Raised raised_by(const std::exception_ptr& thrown) {
  using enum Raised::Kind;
  try {
    std::rethrow_exception(thrown);
  } catch (const RetryRequest& request) {
    const bool counts = request.counts() == RetryRequest::Counts::AsAttempt;
    auto made = raised(counts ? Retry : Later, "RuntimeError", request.what());
    made.delay = request.delay();
    return made;
  } catch (const FinalTaskError& error) {
    return raised(Final, clean(error.type()), words_of(error) + causes_of(error));
  } catch (const TaskError& error) {
    return raised(Ordinary, clean(error.type()), words_of(error) + causes_of(error));
  } catch (const std::bad_alloc& error) {
    return raised(Ordinary, "MemoryError", words_of(error));
  } catch (const std::exception& error) {
    return raised(Ordinary, "RuntimeError", words_of(error) + causes_of(error));
  } catch (...) {
    return raised(Ordinary, "RuntimeError", "the task threw something that is no std::exception");
  }
}

Ending succeeded(boost::json::value value, bool ignore_result) {
  Ending ending;
  if (celery::deeper_than(value, celery::kMaxDepth)) {
    return failed(
        raised(Raised::Kind::Final, "ValueError",
               fmt::format("the result is nested deeper than {} levels", celery::kMaxDepth)));
  }
  if (!ignore_result) {
    ending.result = celery::to_json(value);
    if (celery::has_not_finite(value)) ending.python = celery::to_python_json(value);
  }
  if (ending.result.size() > celery::kMaxBody) {
    return failed(raised(Raised::Kind::Final, "ValueError",
                         fmt::format("the result has {} bytes (at most {})", ending.result.size(),
                                     celery::kMaxBody)));
  }
  ending.shown = shortened(celery::repr(value), celery::kReprLimit);
  ending.value = std::move(value);
  return ending;
}

Ending failed(const Raised& raised) { return described(TaskState::Failure, raised); }

namespace {

Ending revoked_as(const std::string& why) {
  auto ending = described(TaskState::Revoked, raised(Raised::Kind::Final, "TaskRevokedError", why,
                                                     "celery.exceptions"));
  ending.traceback.clear();
  return ending;
}

}  // namespace

// Celery gives the limit itself as the exception's argument.
Ending hard_limit_passed(double seconds) {
  const auto limit = fmt::format("{:g}", seconds);
  auto ending =
      failed(raised(Raised::Kind::Final, "TimeLimitExceeded", limit, "billiard.exceptions"));
  auto document = celery::exception_document("TimeLimitExceeded", limit, "billiard.exceptions");
  document["exc_message"] = boost::json::array{celery::parse_json(limit).value()};
  ending.result = celery::to_json(document);
  ending.shown = fmt::format("TimeLimitExceeded({})", limit);
  ending.traceback.clear();
  return ending;
}

Ending revoked_as_expired() {
  auto ending = revoked_as("expired");
  ending.expired = true;
  return ending;
}

Ending revoked_as_terminated(int signal) {
  auto ending = revoked_as("terminated");
  ending.signal = signal;
  return ending;
}

Ending revoked_by_request() { return revoked_as("revoked"); }

Ending after(const Raised& raised, const RetryPolicy& policy, const Attempt& attempt,
             double random) {
  if (raised.kind == Raised::Kind::Final) return failed(raised);
  if (raised.kind == Raised::Kind::Later && attempt.postponed < kMostPostponements) {
    auto ending = described(TaskState::Retry, raised);
    ending.retry_in = postponed_by(raised.delay.value_or(std::chrono::milliseconds{0}), random);
    ending.postponed = true;
    return ending;
  }
  const auto by_policy = policy.delay_after(attempt.retries, random);
  if (!by_policy) {
    if (raised.kind == Raised::Kind::Ordinary) return failed(raised);
    return failed({Raised::Kind::Final, "MaxRetriesExceededError",
                   fmt::format("Can't retry {} after {} retries: {}", attempt.called,
                               attempt.retries, raised.message),
                   "celery.exceptions", std::nullopt});
  }
  auto ending = described(TaskState::Retry, raised);
  ending.retry_in = raised.delay.value_or(*by_policy);
  return ending;
}

Raised not_registered(const std::string& name) {
  return raised(Raised::Kind::Final, "NotRegistered", name, "celery.exceptions");
}

Raised undecodable(const std::string& reason) {
  return raised(Raised::Kind::Final, "InvalidTaskError", reason, "celery.exceptions");
}

Raised worker_lost(std::int64_t times) {
  return raised(
      Raised::Kind::Final, "WorkerLostError",
      fmt::format("{} workers were lost while running this task; it is not tried again", times),
      "billiard.exceptions");
}

Raised soft_limit_passed(double seconds) {
  return raised(Raised::Kind::Final, "SoftTimeLimitExceeded",
                fmt::format("the soft time limit of {:g} s passed", seconds),
                "billiard.exceptions");
}

Raised never_returned(double seconds, double grace) {
  return raised(Raised::Kind::Final, "SoftTimeLimitExceeded",
                fmt::format("the soft time limit of {:g} s passed, and the task did not return "
                            "within {:g} s after it",
                            seconds, grace),
                "billiard.exceptions");
}

Raised process_lost(const std::string& how, std::uint64_t job) {
  return raised(Raised::Kind::Final, "WorkerLostError",
                fmt::format("Worker exited prematurely: {} Job: {}.", how, job),
                "billiard.exceptions");
}

Raised cannot_be_followed(const std::string& reason) {
  return raised(Raised::Kind::Final, "ValueError",
                fmt::format("it ran, and cannot be followed as it was to be: {}", reason));
}

Raised too_large_to_try_again(std::size_t bytes) {
  return raised(
      Raised::Kind::Final, "ValueError",
      fmt::format("it cannot be tried again: its message would have {} bytes (at most {})", bytes,
                  celery::kMaxBody));
}

}  // namespace umbel
