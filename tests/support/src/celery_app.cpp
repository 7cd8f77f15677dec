#include "umbel/testing/celery_app.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "dialogue.hpp"
#include "umbel/testing/eventually.hpp"
#include "umbel/testing/server_port.hpp"

namespace umbel::testing {
namespace {

// Debian's, whichever other the PATH may have first: it is the one that has python3-celery.
constexpr const char* kPython = "/usr/bin/python3";
constexpr std::chrono::seconds kReady{60};

}  // namespace

CeleryApp::CeleryApp(CeleryOptions options) : options_{std::move(options)} {}

CeleryApp::~CeleryApp() = default;

std::unique_ptr<Process> CeleryApp::python(const std::string& name,
                                           std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {kPython, "-B", "-u"});
  Process::Environment environment{{"PYTHONPATH", UMBEL_SOURCE_DIR "/tests/celery"},
                                   {"HOME", dir_.path().string()},
                                   {"UMBEL_TEST_BROKER", options_.broker},
                                   {"UMBEL_TEST_BACKEND", options_.backend},
                                   {"C_FORCE_ROOT", "1"},
                                   {"NO_COLOR", "1"}};
  environment.insert(environment.end(), options_.environment.begin(), options_.environment.end());
  auto process = std::make_unique<Process>(name, std::move(arguments),
                                           dir_.file(fmt::format("{}-{}.log", name, ++processes_)),
                                           std::move(environment));
  process->start();
  return process;
}

std::unique_ptr<Process> CeleryApp::launch(const std::vector<std::string>& arguments) {
  std::vector<std::string> all{"-m", "celery", "-A", "app"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return python("celery-" + arguments.at(0), std::move(all));
}

std::unique_ptr<Process> CeleryApp::launch_worker(const CeleryWorkerOptions& options) {
  std::vector<std::string> arguments{"worker",
                                     "-n",
                                     options.name + "@celery",
                                     "-P",
                                     options.pool,
                                     "-c",
                                     std::to_string(options.concurrency),
                                     "-Q",
                                     options.queues,
                                     "-l",
                                     "INFO"};
  if (options.task_events) arguments.emplace_back("-E");
  arguments.insert(arguments.end(), options.more.begin(), options.more.end());
  return launch(arguments);
}

std::unique_ptr<Process> CeleryApp::worker(const CeleryWorkerOptions& options) {
  auto process = launch_worker(options);
  if (!process->says("@celery ready.", kReady)) {
    throw std::runtime_error{"the Celery worker does not come up\n" + process->end_of_log()};
  }
  return process;
}

CommandOutcome CeleryApp::command(const std::vector<std::string>& arguments,
                                  std::chrono::seconds limit) {
  const auto process = launch(arguments);
  return outcome_of(*process, limit);
}

std::string CeleryApp::ask(const std::string& source) {
  if (!interpreter_) {
    port_ = server_port();
    interpreter_ = python("interpreter",
                          {UMBEL_SOURCE_DIR "/tests/celery/interpreter.py", std::to_string(port_)});
    if (!interpreter_->says("listening", kReady)) {
      throw std::runtime_error{"no interpreter\n" + interpreter_->end_of_log()};
    }
  }
  try {
    Dialogue dialogue{port_, std::chrono::seconds{120}};
    dialogue.send(fmt::format("{}\r\n", source.size()) + source);
    const auto size = static_cast<std::size_t>(std::stoul(dialogue.line()));
    std::string answer = dialogue.receive(size);
    if (answer.starts_with('+')) return answer.substr(1);
    throw std::runtime_error{answer.substr(1)};
  } catch (const std::runtime_error& error) {
    throw std::runtime_error{
        fmt::format("{}\n{}\n{}", source, error.what(), interpreter_->end_of_log())};
  }
}

}  // namespace umbel::testing
