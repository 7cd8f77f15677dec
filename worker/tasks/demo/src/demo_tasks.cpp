#include "umbel/tasks_demo/demo_tasks.hpp"

#include <cmath>
#include <random>
#include <thread>
#include <vector>

#include "number.hpp"
#include "touch.hpp"

namespace umbel {
namespace {

constexpr double kMostSeconds = 86'400;
constexpr double kMostHang = 600;

std::chrono::milliseconds duration_of(double seconds) {
  if (!(seconds >= 0 && seconds <= kMostSeconds)) {
    throw FinalTaskError{"ValueError", "seconds must be between 0 and 86400"};
  }
  return std::chrono::milliseconds{std::llround(seconds * 1000)};
}

void wait(TaskContext& context, double seconds) {
  if (!context.sleep_for(duration_of(seconds))) {
    throw TaskError{"InterruptedError", "told to stop while sleeping"};
  }
}

Number add(TaskContext&, Number x, Number y) { return x + y; }

Number delayed_add(TaskContext& context, Number x, Number y, double seconds) {
  wait(context, seconds);
  return x + y;
}

// A chord's body: it gets what the tasks before it returned, in one list.
Number total(TaskContext&, const std::vector<Number>& numbers) {
  Number sum{std::int64_t{0}};
  for (const Number& each : numbers) sum = sum + each;
  return sum;
}

boost::json::value echo(TaskContext&, const boost::json::value& value) { return value; }

void noop(TaskContext&) {}

double sleep_task(TaskContext& context, double seconds) {
  wait(context, seconds);
  return seconds;
}

// For trying what a stack does about code that cannot be told to stop.
double hang(TaskContext&, double seconds) {
  if (!(seconds >= 0 && seconds <= kMostHang)) {
    throw FinalTaskError{"ValueError", "seconds must be between 0 and 600"};
  }
  std::this_thread::sleep_for(duration_of(seconds));
  return seconds;
}

void fail(TaskContext&, const std::string& message) { throw TaskError{"RuntimeError", message}; }

std::string flaky(TaskContext& context, double rate) {
  if (!(rate >= 0 && rate <= 1)) throw FinalTaskError{"ValueError", "rate must be between 0 and 1"};
  thread_local std::mt19937_64 random{std::random_device{}()};
  if (std::uniform_real_distribution<double>{0, 1}(random) < rate) {
    throw TaskError{"RuntimeError", "bad luck at attempt " + std::to_string(context.retries() + 1)};
  }
  return "ok after " + std::to_string(context.retries()) + " retries";
}

}  // namespace

void add_demo_tasks(TaskRegistry& tasks, const DemoTaskOptions& options) {
  TaskOptions said;
  const auto described = [&said](const char* text) {
    auto copy = said;
    copy.description = text;
    return copy;
  };
  tasks.add("add", add, {"x", "y"}, described("The sum of two numbers."));
  tasks.add("delayed_add", delayed_add, {"x", "y", {"seconds", 5}},
            described("The sum of two numbers, after a while."));
  tasks.add("total", total, {"numbers"}, described("The sum of a list of numbers."));
  tasks.add("echo", echo, {"value"}, described("What it is given, whatever it is."));
  auto quiet = described("Nothing at all.");
  quiet.ignore_result = true;
  tasks.add("noop", noop, {}, quiet);
  tasks.add("sleep", sleep_task, {"seconds"}, described("Sleeps."));
  auto impatient = described(
      "Waits and does not listen when it is told to stop, after a second: its slot is stuck.");
  impatient.soft_time_limit = 1;
  tasks.add("hang", hang, {"seconds"}, impatient);
  tasks.add("fail", fail, {"message"}, described("Fails with this message."));
  auto patient = described("Fails with this probability, and is tried up to six times.");
  patient.retry.max_retries = 5;
  patient.retry.first_delay = std::chrono::milliseconds{200};
  patient.retry.max_delay = std::chrono::milliseconds{5000};
  tasks.add("flaky", flaky, {"rate"}, patient);
  if (options.touch_dir) {
    std::function<void(TaskContext&, std::string, std::string)> touch =
        [folder = *options.touch_dir](TaskContext&, const std::string& path,
                                      const std::string& token) {
          touch_below(folder, path, token);
        };
    tasks.add("touch", touch, {"path", "token"},
              described("Appends a line with this token to a file."));
  }
}

}  // namespace umbel
