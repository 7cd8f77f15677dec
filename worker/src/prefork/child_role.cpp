#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "../built_ins.hpp"
#include "child_context.hpp"
#include "child_process.hpp"
#include "stop_bell.hpp"
#include "task_set.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/worker/prefork.hpp"
#include "words.hpp"

namespace umbel {
namespace {

using namespace prefork;

// Runs that came in, and what they end in.
class Server {
 public:
  Server(const TaskRegistry& tasks, const Clock& clock, metrics::Metrics& metrics, const Log& log)
      : tasks_{tasks}, clock_{clock}, metrics_{metrics}, log_{log} {
    add_mapping_tasks(tasks_);
    (void)metrics_.changes();  // what moves from here on is the tasks' doing
  }

  int serve() {
    if (!words_.say(Hello{task_set_of(tasks_)})) return 0;
    for (;;) {
      auto frame = words_.hear();
      if (!frame) return ended(frame.error());
      const auto* run = std::get_if<Run>(&*frame);
      if (run == nullptr) return ended(invalid("the worker said something else than a run"));
      if (const auto told = tell(*run, outcome_of(*run)); !told) return ended(told.error());
    }
  }

 private:
  int ended(const Error& why) const {
    if (why.code == Errc::Cancelled) return 0;  // the worker needs us no more
    log_.error("task process ends", {{"reason", why.what}});
    return 1;
  }

  // Done or Thrown.
  Frame outcome_of(const Run& run) {
    try {
      const auto* task = tasks_.find(run.name);
      if (task == nullptr) return Thrown{run.job, not_registered(run.name)};
      auto args = celery::parse_json(run.args);
      auto kwargs = celery::parse_json(run.kwargs);
      if (!args || !args->is_array() || !kwargs || !kwargs->is_object()) {
        return Thrown{run.job, undecodable("the arguments did not survive their way")};
      }
      ChildContext context{run, bell_.begin(run.job), words_, metrics_, metrics_used_, clock_,
                           log_};
      return Done{run.job, succeeded(task->call(context, args->get_array(), kwargs->get_object()),
                                     run.ignore_result)};
    } catch (...) {
      return Thrown{run.job, raised_by(std::current_exception())};
    }
  }

  // What moved goes first, so that nothing is counted of a run that is told as lost.
  Result<void> tell(const Run& run, Frame outcome) {
    std::vector<Frame> frames;
    if (metrics_used_) {
      if (auto changes = metrics_.changes(); !changes.empty()) {
        frames.emplace_back(Moved{std::move(changes)});
      }
    }
    frames.push_back(std::move(outcome));
    auto told = words_.say(frames);
    if (told || told.error().code != Errc::Invalid) return told;
    frames.back() = Thrown{
        run.job, Raised{Raised::Kind::Final, "ValueError", told.error().what, "builtins", {}}};
    return words_.say(frames);
  }

  TaskRegistry tasks_;
  const Clock& clock_;
  metrics::Metrics& metrics_;
  const Log& log_;
  std::atomic<bool> metrics_used_{false};  // by any run: a task may keep what it got
  Words words_{kWordsDescriptor};
  StopBell bell_{kBellDescriptor};
};

}  // namespace

std::vector<std::string> own_command(int argc, const char* const* argv) {
  std::vector<std::string> command{kOwnFile};
  for (int i = 1; i < argc; ++i) command.emplace_back(argv[i]);
  return command;
}

std::optional<ChildRole> ChildRole::take(int& argc, char** argv) {
  if (argc < 2) return std::nullopt;
  std::string_view option{argv[1]};
  if (!option.starts_with(kChildOption)) return std::nullopt;
  option.remove_prefix(std::string_view{kChildOption}.size());
  pid_t worker = 0;
  const auto [end, bad] = std::from_chars(option.data(), option.data() + option.size(), worker);
  // Started by hand there is nobody to talk to; a worker that is gone already needs nothing.
  if (bad != std::errc{} || end != option.data() + option.size() ||
      prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != worker ||
      fcntl(kWordsDescriptor, F_SETFD, FD_CLOEXEC) != 0 ||
      fcntl(kBellDescriptor, F_SETFD, FD_CLOEXEC) != 0) {
    _exit(2);
  }
  (void)signal(SIGINT, SIG_IGN);
  (void)signal(SIGPIPE, SIG_IGN);  // a peer that hangs up is an error of the write
  std::rotate(argv + 1, argv + 2, argv + argc);
  argv[--argc] = nullptr;
  return ChildRole{};
}

int ChildRole::serve(const TaskRegistry& tasks, const Clock& clock, metrics::Metrics& metrics,
                     const Log& log) {
  return Server{tasks, clock, metrics, log}.serve();
}

int ChildRole::unable(const Error& why) {
  Words words{kWordsDescriptor};
  (void)words.say(Unable{why.what});
  return 1;
}

}  // namespace umbel
