// Tasks in C++: one function with typed, named parameters, registered under a name.
//
//   std::int64_t add(TaskContext&, std::int64_t x, std::int64_t y) { return x + y; }
//   …
//   tasks.add("add", add, {"x", "y"}, {.queue = QueueName{"demo"}});
//
// A parameter may have a default: {"seconds", 5}. Parameter and result types are what Boost.JSON
// converts: integers, double, bool, std::string, vectors, maps, std::optional, or
// boost::json::value for anything; a type of one's own with tag_invoke conversions may say its JSON
// type in a static member `kJsonType`. A missing, surplus or ill-typed argument fails the task with
// a TypeError that names it; the function is not called.
//
// Whatever a task throws ends that run alone. One exception to "failed": what a task throws (other
// than FinalTaskError and retry()) after its worker told it to stop counts as interrupted, and the
// message goes back to its queue to run again elsewhere.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "umbel/base/ids.hpp"
#include "umbel/base/log.hpp"
#include "umbel/base/result.hpp"
#include "umbel/enqueue/enqueuer.hpp"
#include "umbel/metrics/metrics.hpp"
#include "umbel/model/retry_policy.hpp"
#include "umbel/store/task_catalogue.hpp"

namespace umbel {

// Thrown by a task to end as FAILURE with an exception that a Python caller knows by its type
// (`ValueError`, …). Any other std::exception ends as RuntimeError with its what(). Retried if the
// task has retries left.
class TaskError : public std::runtime_error {
 public:
  TaskError(std::string type, const std::string& message)
      : std::runtime_error{message}, type_{std::move(type)} {}
  [[nodiscard]] const std::string& type() const { return type_; }

 private:
  std::string type_;
};

// As TaskError, but never retried: trying again cannot help (404, bad arguments).
class FinalTaskError : public TaskError {
 public:
  using TaskError::TaskError;
};

// Thrown by TaskContext::retry() and retry_later().
class RetryRequest : public std::runtime_error {
 public:
  enum class Counts { AsAttempt, NotAtAll };
  RetryRequest(const std::string& reason, std::optional<std::chrono::milliseconds> delay,
               Counts counts = Counts::AsAttempt)
      : std::runtime_error{reason}, delay_{delay}, counts_{counts} {}
  [[nodiscard]] std::optional<std::chrono::milliseconds> delay() const { return delay_; }
  [[nodiscard]] Counts counts() const { return counts_; }

 private:
  std::optional<std::chrono::milliseconds> delay_;
  Counts counts_;
};

// What a running task may ask of its worker. Lives as long as the call and its hook; used by the
// task's thread alone, afterwards by the hook's.
class TaskContext {
 public:
  virtual ~TaskContext() = default;
  [[nodiscard]] virtual const TaskId& id() const = 0;
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual std::int64_t retries() const = 0;  // 0 on the first run
  // Set when the worker stops or the soft time limit has passed: a task that can, ends soon.
  [[nodiscard]] virtual std::stop_token stop() const = 0;
  [[nodiscard]] virtual const Log& log() const = 0;
  [[nodiscard]] virtual metrics::Metrics& metrics() = 0;
  [[nodiscard]] virtual const Clock& clock() const = 0;

  // Ends this run and tries again later: after `delay`, or by the task's retry policy. When retries
  // are used up the task fails with MaxRetriesExceededError.
  [[noreturn]] void retry(const std::string& reason,
                          std::optional<std::chrono::milliseconds> delay = std::nullopt) {
    throw RetryRequest{reason, delay};
  }

  // Ends this run and tries again after `delay` (and up to a tenth of it more, so that all who were
  // told the same come back one by one), without using up a retry: for waits that are nobody's
  // failure, as a 429 with Retry-After. Works for tasks without a retry policy too. A delay is at
  // most kLongestPostponement (1 h); after kMostPostponements (100) of one task it counts as
  // retry().
  [[noreturn]] void retry_later(std::chrono::milliseconds delay, const std::string& reason) {
    throw RetryRequest{reason, delay, RetryRequest::Counts::NotAtAll};
  }

  // Accepts further tasks, as children of this one, together with whatever must become true at the
  // same moment. A request without an id gets one made of this task's id, the request's name and
  // arguments, and how many equal requests this run made before: a second run or a retry that asks
  // for the same tasks makes no second set, and one that asks for others makes those.
  [[nodiscard]] virtual Result<std::vector<AcceptedHandle>> spawn(
      std::vector<TaskRequest> requests, const Together& together = {}) = 0;

  // Sleeps, unless stop() is requested: then false, at once.
  [[nodiscard]] virtual bool sleep_for(std::chrono::milliseconds duration) = 0;
};

struct TaskEnd {
  const TaskContext& context;
  std::string message;  // for retry and failure: type and text of the error
};

struct TaskOptions {
  QueueName queue{kDefaultQueue};
  RetryPolicy retry{};
  // Seconds; then TaskContext::stop() is set and the task fails with SoftTimeLimitExceeded.
  std::optional<double> soft_time_limit = std::nullopt;
  // Seconds; then the task is killed and fails with TimeLimitExceeded. Needs PoolKind::Prefork: a
  // worker of threads refuses to start with such a task.
  std::optional<double> time_limit = std::nullopt;
  // Of PoolKind::Prefork: a task whose process is lost (a crash, the kernel's want of memory) runs
  // again, up to three times, instead of failing with WorkerLostError at once.
  bool reject_on_worker_lost = false;
  bool ignore_result = false;
  bool track_started = false;  // callers outside are told when it starts
  std::string description{};
  // At most so many starts in each worker: `10/s`, `10/m`, `10/h`; empty: no limit.
  std::string rate_limit{};
  // Called once the result is stored, from a thread that serves all tasks of the worker: keep them
  // short. What they throw is logged.
  std::function<void(const TaskEnd&)> on_success{}, on_retry{}, on_failure{};
};

// A parameter's name, and its default if it may be left out.
class Parameter {
 public:
  Parameter(const char* name)
      : name_{name} {}  // NOLINT(google-explicit-constructor): reads as a list of names
  template <class T>
  Parameter(const char* name, T&& default_value)
      : name_{name}, default_{boost::json::value_from(std::forward<T>(default_value))} {}
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::optional<boost::json::value>& default_value() const { return default_; }

 private:
  std::string name_;
  std::optional<boost::json::value> default_;
};

struct RegisteredTask {
  CatalogueEntry entry;
  TaskOptions options;
  bool hidden = false;  // one of Celery's own: runs here, and is not told of
  bool inside = false;  // runs in the worker itself, whatever the pool
  // Throws what the task throws; TypeError for arguments that do not fit.
  std::function<boost::json::value(TaskContext&, const boost::json::array& args,
                                   const boost::json::object& kwargs)>
      call;
};

namespace detail {

template <class T>
constexpr const char* json_type_name() {
  if constexpr (requires { T::kJsonType; })
    return T::kJsonType;
  else if constexpr (std::is_same_v<T, bool>)
    return "boolean";
  else if constexpr (std::is_integral_v<T>)
    return "integer";
  else if constexpr (std::is_floating_point_v<T>)
    return "number";
  else if constexpr (std::is_same_v<T, std::string>)
    return "string";
  else if constexpr (std::is_same_v<T, boost::json::array>)
    return "array";
  else if constexpr (std::is_same_v<T, boost::json::object>)
    return "object";
  else if constexpr (boost::json::is_sequence_like<T>::value)
    return "array";
  else if constexpr (boost::json::is_map_like<T>::value)
    return "object";
  else
    return "any";
}

// One value for each parameter, from positional and named arguments and defaults. Throws
// FinalTaskError("TypeError", …) naming what is missing, surplus, given twice, or of another type
// than `parameters` says.
[[nodiscard]] std::vector<boost::json::value> bind(const std::string& task,
                                                   const std::vector<TaskParameter>& parameters,
                                                   const boost::json::array& args,
                                                   const boost::json::object& kwargs);
// Throws FinalTaskError("TypeError", …) saying which argument of which task is not convertible.
[[noreturn]] void refuse(const std::string& task, const TaskParameter& parameter,
                         const boost::json::value& value);
[[nodiscard]] std::string json_text(const boost::json::value& value);

}  // namespace detail

// A name for every task this program can run. Filled before the worker starts, read-only
// afterwards.
class TaskRegistry {
 public:
  // Throws std::logic_error if the name is taken or the parameters' count is not the function's.
  template <class R, class... A>
  void add(const std::string& name, std::function<R(TaskContext&, A...)> function,
           const std::vector<Parameter>& parameters, TaskOptions options = {}) {
    if (parameters.size() != sizeof...(A))
      throw std::logic_error{"task " + name + ": one name for each parameter"};
    RegisteredTask task;
    const char* types[] = {json_type_name_of<A>()..., ""};
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto& given = parameters[i].default_value();
      task.entry.parameters.push_back(
          {parameters[i].name(), types[i], !given, given ? detail::json_text(*given) : ""});
    }
    task.call = [name, function, declared = task.entry.parameters](
                    TaskContext& context, const boost::json::array& args,
                    const boost::json::object& kwargs) {
      const auto values = detail::bind(name, declared, args, kwargs);
      return invoke<R, A...>(name, function, declared, context, values,
                             std::index_sequence_for<A...>{});
    };
    insert(name, std::move(task), std::move(options));
  }
  template <class R, class... A>
  void add(const std::string& name, R (*function)(TaskContext&, A...),
           const std::vector<Parameter>& parameters, TaskOptions options = {}) {
    add(name, std::function<R(TaskContext&, A...)>{function}, parameters, std::move(options));
  }

  // One of Celery's own, under its entry's name. A name that is taken keeps its task.
  void add_built_in(RegisteredTask task);

  [[nodiscard]] const RegisteredTask* find(const std::string& name) const;  // null: not registered
  [[nodiscard]] std::vector<CatalogueEntry> entries() const;                // by name
  [[nodiscard]] std::vector<std::string> names() const;  // Celery's own too, in order
  [[nodiscard]] std::vector<QueueName> queues() const;   // that the tasks name, each once

 private:
  template <class A>
  static constexpr const char* json_type_name_of() {
    return detail::json_type_name<std::remove_cvref_t<A>>();
  }
  template <class T>
  static T convert(const std::string& task, const TaskParameter& parameter,
                   const boost::json::value& value) {
    if constexpr (std::is_same_v<T, boost::json::value>) {
      return value;
    } else {
      auto converted = boost::json::try_value_to<T>(value);
      if (!converted) detail::refuse(task, parameter, value);
      return std::move(*converted);
    }
  }
  template <class R, class... A, std::size_t... I>
  static boost::json::value invoke(const std::string& name,
                                   const std::function<R(TaskContext&, A...)>& function,
                                   const std::vector<TaskParameter>& declared, TaskContext& context,
                                   const std::vector<boost::json::value>& values,
                                   std::index_sequence<I...>) {
    std::tuple<std::remove_cvref_t<A>...> converted{
        convert<std::remove_cvref_t<A>>(name, declared[I], values[I])...};
    if constexpr (std::is_void_v<R>) {
      function(context, std::move(std::get<I>(converted))...);
      return nullptr;
    } else {
      return boost::json::value_from(function(context, std::move(std::get<I>(converted))...));
    }
  }
  void insert(const std::string& name, RegisteredTask task, TaskOptions options);

  std::map<std::string, RegisteredTask> tasks_;
};

}  // namespace umbel
