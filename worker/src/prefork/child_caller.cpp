#include "child_caller.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "../pause.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::prefork {
namespace {

constexpr std::chrono::seconds kLongestStart{30};
constexpr std::chrono::milliseconds kLeave{2000};

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

ChildCallers::ChildCallers(Options options, metrics::Metrics& metrics, Instruments& instruments,
                           Log log)
    : options_{std::move(options)},
      metrics_{metrics},
      instruments_{instruments},
      log_{std::move(log)} {}

std::unique_ptr<Caller> ChildCallers::make() { return std::make_unique<ChildCaller>(*this); }

ChildCaller::ChildCaller(ChildCallers& all)
    : all_{all}, wake_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
  if (!wake_) throw std::runtime_error{"no more descriptors for task processes"};
}

ChildCaller::~ChildCaller() { let_go(); }

void ChildCaller::wake() {
  const std::uint64_t one = 1;
  (void)write(wake_.get(), &one, sizeof one);
}

std::optional<pid_t> ChildCaller::process() const {
  const auto pid = pid_.load();
  return pid == 0 ? std::nullopt : std::optional{pid};
}

std::optional<std::string> ChildCaller::fault() const {
  const std::lock_guard lock{mutex_};
  return fault_;
}

bool ChildCaller::can_call() { return process_ && !worn_ && !process_->has_ended(); }

void ChildCaller::ready(const std::stop_token& stop) {
  if (process_ && !worn_ && process_->has_ended()) {
    all_.log_.warn("idle task process was lost",
                   {{"process", process_->pid()}, {"how", process_->how_it_ended()}});
    all_.instruments_.process_lost("idle");
  }
  let_go();
  const auto started = start(stop);
  if (started || stop.stop_requested()) {
    plan_.started();
    const std::lock_guard lock{mutex_};
    fault_.reset();
    return;
  }
  let_go();
  const auto wait = plan_.failed();
  all_.instruments_.process_lost("start");
  all_.log_.error("task process does not start",
                  {{"reason", started.error().what},
                   {"again_in_seconds", std::chrono::duration<double>(wait).count()}});
  {
    const std::lock_guard lock{mutex_};
    fault_ = "task processes do not start: " + started.error().what;
  }
  (void)pause_for(stop, wait);
}

Result<void> ChildCaller::start(const std::stop_token& stop) {
  auto process = ChildProcess::start(all_.options_.command);
  if (!process) return process.error();
  take(std::move(*process));
  return greeted(stop);
}

void ChildCaller::take(std::unique_ptr<ChildProcess> process) {
  process_ = std::move(process);
  reader_ = {};
  tasks_ = 0;
  worn_ = false;
  pid_ = process_->pid();
}

void ChildCaller::let_go() {
  pid_ = 0;
  if (!process_) return;
  process_->leave(kLeave);
  process_.reset();
}

Result<void> ChildCaller::greeted(const std::stop_token& stop) {
  const std::stop_callback woken{stop, [this] { wake(); }};
  const auto until = Steady::now() + kLongestStart;
  std::array<char, 4096> buffer;
  while (!stop.stop_requested() && Steady::now() < until) {
    const auto seen = wait(until, false);
    const auto got = recv(process_->words(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) reader_.feed({buffer.data(), static_cast<std::size_t>(got)});
    auto frame = reader_.next();
    if (!frame) return frame.error();
    if (*frame) {
      if (const auto* unable = std::get_if<Unable>(&**frame)) return unavailable(unable->reason);
      const auto* hello = std::get_if<Hello>(&**frame);
      if (hello == nullptr) return unavailable("it said something else than that it is ready");
      if (hello->tasks == all_.options_.tasks) return {};
      return unavailable(
          "it knows other tasks than this worker: the program or its settings have changed since "
          "the worker started");
    }
    if (seen.end && got <= 0) {
      return unavailable(fmt::format("it ended before it was ready ({}); its own log lines say why",
                                     process_->how_it_ended()));
    }
  }
  if (stop.stop_requested()) return Error{Errc::Cancelled, "told to stop"};
  return Error{Errc::TimedOut, fmt::format("it was not ready within {} s", kLongestStart.count())};
}

ChildCaller::Seen ChildCaller::wait(std::optional<Steady::time_point> until, bool to_write) {
  int timeout = -1;
  if (until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Steady::now()).count();
    timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
  }
  const auto events = static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN);
  std::array<pollfd, 3> all{pollfd{process_->words(), events, 0}, pollfd{wake_.get(), POLLIN, 0},
                            pollfd{process_->end(), POLLIN, 0}};
  if (poll(all.data(), all.size(), timeout) <= 0) return {};
  if (all[1].revents != 0) {
    std::uint64_t count = 0;
    (void)read(wake_.get(), &count, sizeof count);
  }
  return {all[0].revents != 0, all[2].revents != 0};
}

Called ChildCaller::call(const Call& call) {
  const auto& task = call.job.task;
  Under under{call, ++all_.jobs_, std::nullopt};
  auto run = encode(Run{under.job, task.task, task.id.str(), task.retries,
                        celery::to_python_json(task.args), celery::to_python_json(task.kwargs),
                        call.ignore_result});
  if (!run) {
    return Raised{Raised::Kind::Final, "ValueError", run.error().what, "builtins", std::nullopt};
  }
  if (call.hard_limit) {
    under.deadline = Steady::now() + std::chrono::duration_cast<Steady::duration>(
                                         std::chrono::duration<double>{*call.hard_limit});
  }
  const std::stop_callback woken{call.context.stop(), [this] { wake(); }};
  bool speaks = send(*run, under);
  while (speaks && !under.outcome) {
    look_at_control(under);
    const auto seen = wait(under.killed_for ? std::nullopt : under.deadline, false);
    if (seen.words || seen.end) speaks = hear(under);
  }
  if (!under.outcome) return lost(under);
  count_task();
  return std::move(*under.outcome);
}

// What is larger than the socket's buffer waits until the process reads it.
bool ChildCaller::send(std::string_view bytes, Under& under) {
  while (!bytes.empty()) {
    const auto sent = ::send(process_->words(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    look_at_control(under);
    if (wait(under.killed_for ? std::nullopt : under.deadline, true).end) return false;
  }
  return true;
}

void ChildCaller::look_at_control(Under& under) {
  auto& control = under.call.control;
  if (control.abandoned) kill_for(under, Lost::Why::Abandoned);
  if (control.overdue) kill_for(under, Lost::Why::Overdue);
  if (under.deadline && Steady::now() >= *under.deadline) kill_for(under, Lost::Why::TimedOut);
  if (const int number = control.terminated; number != 0 && !under.signalled) {
    under.signalled = true;
    process_->signal(number);
  }
  if (!under.rung && under.call.context.stop().stop_requested()) {
    under.rung = true;
    process_->stop_job(under.job);
  }
}

void ChildCaller::kill_for(Under& under, Lost::Why why) {
  if (under.killed_for) return;
  under.killed_for = why;
  process_->signal(SIGKILL);
}

bool ChildCaller::hear(Under& under) {
  std::array<char, 65'536> buffer;
  const auto got = recv(process_->words(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0) {
    if (errno == EINTR) return true;
    return errno == EAGAIN && !process_->has_ended();
  }
  if (got == 0) return false;
  reader_.feed({buffer.data(), static_cast<std::size_t>(got)});
  while (!under.outcome) {
    auto frame = reader_.next();
    if (!frame) {
      all_.log_.error("task process says what cannot be read; it is killed",
                      {{"process", process_->pid()}, {"reason", frame.error().what}});
      process_->signal(SIGKILL);
      return false;
    }
    if (!*frame) return true;
    heard(std::move(**frame), under);
  }
  return true;
}

void ChildCaller::heard(Frame frame, Under& under) {
  std::visit(
      Overloaded{
          [&](Done& done) {
            if (done.job == under.job) under.outcome = std::move(done.ending);
          },
          [&](Thrown& thrown) {
            if (thrown.job == under.job) under.outcome = std::move(thrown.raised);
          },
          [&](SpawnRequest& request) { answer(request, under); },
          [&](Moved& moved) {
            for (const auto& change : moved.changes) {
              const auto added = all_.metrics_.add(change);
              if (!added && !all_.refused_told_.exchange(true)) {
                all_.log_.warn("a task's metric is not exported", {{"reason", added.error().what}});
              }
            }
          },
          [](auto&) {}},
      frame);
}

void ChildCaller::answer(const SpawnRequest& request, Under& under) {
  auto accepted = under.call.context.spawn(request.requests, request.together);
  SpawnAnswer told;
  if (accepted) {
    told.handles = std::move(*accepted);
  } else {
    told.error = accepted.error();
  }
  auto bytes = encode(told);
  if (!bytes) bytes = encode(SpawnAnswer{{}, bytes.error()});
  (void)send(*bytes, under);  // if it is gone, that is found out next
}

Called ChildCaller::lost(Under& under) {
  if (!process_->has_ended()) {
    // It closed its socket, or said nonsense, and goes on: nobody can tell any more what it does.
    pollfd end{process_->end(), POLLIN, 0};
    if (poll(&end, 1, static_cast<int>(kLeave.count())) <= 0) process_->signal(SIGKILL);
  }
  Lost lost;
  lost.how = process_->how_it_ended();
  lost.job = under.job;
  lost.why = under.killed_for  ? *under.killed_for
             : under.signalled ? Lost::Why::Terminated
                               : Lost::Why::Died;
  static constexpr std::array kWhy{"died", "time_limit", "overdue", "terminated", "abandoned"};
  all_.instruments_.process_lost(kWhy.at(static_cast<std::size_t>(lost.why)));
  process_.reset();
  pid_ = 0;
  return lost;
}

void ChildCaller::count_task() {
  ++tasks_;
  const auto& lifetime = all_.options_.lifetime;
  const auto replaced = [&](const char* what, std::uint64_t is) {
    worn_ = true;
    all_.log_.info(what, {{"process", process_->pid()}, {"is", is}});
  };
  if (lifetime.over_by_tasks(tasks_)) {
    replaced("task process replaced: it has run its number of tasks", tasks_);
  } else if (lifetime.most_memory > 0) {
    const auto resident = process_->resident();
    if (lifetime.over_by_memory(resident)) {
      replaced("task process replaced: it holds more memory than it may, in KiB", resident);
    }
  }
}

}  // namespace umbel::prefork
