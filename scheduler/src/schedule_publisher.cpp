#include "umbel/scheduler/schedule_publisher.hpp"

#include <exception>
#include <utility>

namespace umbel {
namespace {

constexpr std::chrono::seconds kLookEvery{1};

}  // namespace

ScheduleCard card_of(const ScheduleEntry& entry) {
  return {.name = entry.name,
          .task = entry.task,
          .args = entry.args,
          .kwargs = entry.kwargs,
          .queue = entry.queue ? entry.queue->str() : std::string{},
          .expression = expression_of(entry.schedule),
          .zone = zone_of(entry.schedule),
          .definition = entry.schedule_text,
          .description = entry.description,
          .enabled = entry.enabled};
}

SchedulePublisher::SchedulePublisher(ScheduleBook& book, std::string name, const Clock& clock,
                                     Log log)
    : book_{book}, name_{std::move(name)}, clock_{clock}, log_{std::move(log)} {}

void SchedulePublisher::put(const std::vector<ScheduleEntry>& entries) {
  std::vector<ScheduleCard> cards;
  cards.reserve(entries.size());
  for (const auto& entry : entries) cards.push_back(card_of(entry));
  const std::lock_guard lock{mutex_};
  fresh_ = std::move(cards);
  wake_.notify_all();
}

Result<void> SchedulePublisher::start() {
  if (!thread_) thread_.emplace([this](const std::stop_token& stop) { run(stop); });
  return {};
}

void SchedulePublisher::stop() {
  if (!thread_) return;
  thread_.reset();
  if (const auto left = book_.leave(name_); !left) {
    log_.debug("the store was not told that this scheduler ends", {{"why", left.error().what}});
  }
}

bool SchedulePublisher::tell() {
  {
    const std::lock_guard lock{mutex_};
    if (fresh_) {
      in_force_ = std::exchange(fresh_, std::nullopt);
      published_ = false;
    }
  }
  if (!in_force_) return true;
  const auto told = tell_book();
  if (!told && !std::exchange(failed_, true)) {
    log_.warn("the store was not told what is in force; it is tried again each second",
              {{"why", told.error().what}});
  }
  if (told) failed_ = false;
  return told.has_value();
}

Result<void> SchedulePublisher::tell_book() {
  const auto now = clock_.steady();
  if (published_ && now - told_ < kSchedulerTellsEvery) return {};
  if (published_) {
    const auto known = book_.still_alive(name_, clock_.wall());
    if (!known) return known.error();
    published_ = *known;
  }
  if (!published_) {
    if (auto done = book_.publish(name_, *in_force_, clock_.wall()); !done) return done;
    published_ = true;
  }
  told_ = now;
  return {};
}

void SchedulePublisher::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    try {
      (void)tell();
    } catch (const std::exception& error) {
      log_.error("telling what is in force ended in an exception; next in a second",
                 {{"what", error.what()}});
    }
    std::unique_lock lock{mutex_};
    wake_.wait_for(lock, stop, kLookEvery, [this] { return fresh_.has_value(); });
  }
}

}  // namespace umbel
