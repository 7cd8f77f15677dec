#include "umbel/scheduler/schedule_reloader.hpp"

#include <algorithm>
#include <exception>

#include "umbel/base/text.hpp"
#include "umbel/metrics/catalogue.hpp"

namespace umbel {
namespace {

constexpr const char* kCondition = "schedule";

std::string first_line(const std::string& text) {
  const auto end = text.find('\n');
  if (end == std::string::npos) return text;
  const auto more = std::count(text.begin(), text.end(), '\n');
  return text.substr(0, end) + " (and " + std::to_string(more) + " more)";
}

}  // namespace

ScheduleReloader::ScheduleReloader(ScheduleSource source, PutInForce put_in_force, TaskNames names,
                                   Readiness& readiness, SharedValues& shared, const Clock& clock,
                                   metrics::Metrics& metrics, Log log,
                                   std::chrono::milliseconds look_every)
    : source_{std::move(source)},
      put_in_force_{std::move(put_in_force)},
      names_{std::move(names)},
      readiness_{readiness},
      shared_{shared},
      clock_{clock},
      metrics_{metrics},
      log_{std::move(log)},
      look_every_{look_every} {
  for (const auto* outcome : {"success", "failure"}) {
    metrics_.counter(metrics::kScheduleReloads, {outcome}).Increment(0);
  }
}

Result<void> ScheduleReloader::load() {
  auto entries = source_.look(clock_.wall(), ScheduleSource::Ask::Now);
  if (!*entries) return entries->error();
  took(std::move(**entries));
  return {};
}

Result<void> ScheduleReloader::start() {
  if (!thread_) thread_.emplace([this](const std::stop_token& stop) { run(stop); });
  return {};
}

void ScheduleReloader::stop() { thread_.reset(); }

void ScheduleReloader::reload() {
  const std::lock_guard lock{mutex_};
  asked_ = true;
  wake_.notify_all();
}

void ScheduleReloader::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    bool asked = false;
    {
      std::unique_lock lock{mutex_};
      wake_.wait_for(lock, stop, look_every_, [this] { return asked_; });
      asked = std::exchange(asked_, false);
    }
    if (stop.stop_requested()) return;
    try {
      look(asked ? ScheduleSource::Ask::Now : ScheduleSource::Ask::IfChanged);
      tell();
      names_.look();
    } catch (const std::exception& error) {
      log_.error("looking at the schedule's file ended in an exception; next look soon",
                 {{"what", error.what()}});
    }
  }
}

void ScheduleReloader::look(ScheduleSource::Ask ask) {
  auto entries = source_.look(clock_.wall(), ask);
  if (!entries) return;
  if (*entries) {
    took(std::move(**entries));
  } else {
    refused(entries->error());
  }
}

void ScheduleReloader::took(std::vector<ScheduleEntry> entries) {
  log_.info("schedule in force", {{"file", source_.file().string()}, {"entries", entries.size()}});
  metrics_.counter(metrics::kScheduleReloads, {"success"}).Increment();
  metrics_.gauge(metrics::kScheduleReloaded).Set(to_unix_seconds(source_.read_at()));
  metrics_.gauge(metrics::kScheduleFileError).Set(0);
  readiness_.set(kCondition, Result<void>{});
  wrong_.reset();
  told_.reset();
  names_.expect(entries);
  put_in_force_(std::move(entries));
}

void ScheduleReloader::refused(const Error& why) {
  const auto since = iso8601(source_.read_at()).substr(0, 19) + "Z";
  log_.error("schedule file has an error; the schedule before it stays in force",
             {{"in_force_since", since}, {"why", why.what}});
  metrics_.counter(metrics::kScheduleReloads, {"failure"}).Increment();
  metrics_.gauge(metrics::kScheduleFileError).Set(1);
  readiness_.set(kCondition,
                 Error{why.code, "running on the schedule of " + since +
                                     ", the file has an error: " + first_line(why.what)});
  // An error after another one: it has not been well in between.
  wrong_ = ScheduleError{wrong_ ? wrong_->since : clock_.wall(), source_.read_at(),
                         first_line(why.what)};
  told_.reset();
}

void ScheduleReloader::tell() {
  const auto now = clock_.steady();
  if (told_ && (!wrong_ || now - *told_ < kScheduleErrorToldEvery)) return;
  if (shared_.put(kScheduleErrorKey, to_shared(wrong_), clock_.wall() + kScheduleErrorKept)) {
    told_ = now;
  }
}

}  // namespace umbel
