// Lays the schedule in force down in the store, for the page, and says there that this scheduler
// lives.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "umbel/base/clock.hpp"
#include "umbel/base/log.hpp"
#include "umbel/runtime/service.hpp"
#include "umbel/scheduler/schedule_file.hpp"
#include "umbel/store/schedule_book.hpp"

namespace umbel {

[[nodiscard]] ScheduleCard card_of(const ScheduleEntry& entry);

// start() and stop() belong to one thread; put() may be called from any, before start() too.
class SchedulePublisher final : public Service {
 public:
  // `name` is this process's own among all schedulers. References outlive the publisher.
  SchedulePublisher(ScheduleBook& book, std::string name, const Clock& clock, Log log);

  // These are in force. Answers at once; a store that does not answer is asked again each second.
  void put(const std::vector<ScheduleEntry>& entries);

  [[nodiscard]] Result<void> start() override;
  void stop() override;  // says that this scheduler ends

  // Tells the store what it has to be told now. False: it did not answer.
  bool tell();

 private:
  void run(const std::stop_token& stop);
  Result<void> tell_book();

  ScheduleBook& book_;
  const std::string name_;
  const Clock& clock_;
  Log log_;
  std::optional<std::vector<ScheduleCard>> in_force_;  // of the caller of tell()
  bool published_ = false;
  bool failed_ = false;
  Steady::time_point told_{};
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::optional<std::vector<ScheduleCard>> fresh_;  // guarded by mutex_
  std::optional<std::jthread> thread_;
};

}  // namespace umbel
