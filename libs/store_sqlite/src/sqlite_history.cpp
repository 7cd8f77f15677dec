#include "umbel/store_sqlite/sqlite_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "day_files.hpp"
#include "history_rows.hpp"
#include "task_days.hpp"
#include "writer_lock.hpp"

namespace umbel {
namespace store_sqlite {
namespace {

using std::chrono::days;
using std::chrono::floor;

constexpr std::size_t kRememberedTasks = 100'000;

struct Cursor {
  Day day;
  PlaceInDay place;
};

// `2026-11-22.<first seen, microseconds>.<n>`
std::string cursor_text(const Cursor& cursor) {
  return fmt::format("{}.{}.{}", text_of(cursor.day), to_micros(cursor.place.first_seen),
                     cursor.place.n);
}

std::optional<Cursor> cursor_from(std::string_view text) {
  const auto day = day_from(text.substr(0, 10));
  if (!day || text.size() < 12 || text[10] != '.') return std::nullopt;
  const char* const end = text.data() + text.size();
  std::int64_t micros = 0;
  const auto first = std::from_chars(text.data() + 11, end, micros);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.') return std::nullopt;
  std::int64_t n = 0;
  const auto second = std::from_chars(first.ptr + 1, end, n);
  if (second.ec != std::errc{} || second.ptr != end) return std::nullopt;
  return Cursor{*day, {.first_seen = from_micros(micros), .n = n}};
}

// What one batch brings to one day's file.
struct DayBatch {
  struct Entry {
    const Task* task;
    WallTime first_seen;
  };
  std::vector<Entry> tasks;
  std::vector<const Moment*> moments;
};

// A task that is not remembered: where it may lie, and where it goes if it is nowhere.
struct Newcomer {
  const TaskId* id;
  Day otherwise;
  DaySpan span;
  std::optional<Day> found;
};

class SqliteHistory final : public History {
 public:
  SqliteHistory(std::string folder, const Clock& clock, Log log)
      : lock_{folder + ".lock"}, files_{std::move(folder)}, clock_{clock}, log_{std::move(log)} {}

  [[nodiscard]] Result<void> append(std::span<const Task> tasks, std::span<const Moment> moments,
                                    const HistoryPosition& position) override;
  [[nodiscard]] Result<HistoryPosition> position() override;
  [[nodiscard]] Result<Task> find(const TaskId& id) override;
  [[nodiscard]] Result<std::vector<Moment>> timeline(const TaskId& id) override;
  [[nodiscard]] Result<HistoryPage> latest(std::size_t limit,
                                           const std::optional<std::string>& from) override;
  [[nodiscard]] Result<std::vector<Task>> unfinished(std::size_t limit) override;
  [[nodiscard]] Result<std::size_t> forget(WallTime before) override;

 private:
  // Calls `look(Connection&, Day)` for each of `all` in their order until it answers true. A file
  // that is gone is passed over, and so is one that is damaged or not ours: one bad day must not
  // hide the others.
  template <class Look>
  Result<void> look_through(const std::vector<Day>& all, const Look& look);
  Result<void> look_for(std::vector<Newcomer>& newcomers, const std::vector<Day>& all);
  Result<void> recall_unfinished(const std::vector<Day>& all);
  Result<std::map<Day, DayBatch>> sort_by_day(std::span<const Task> tasks,
                                              std::span<const Moment> moments,
                                              const std::vector<Day>& all);
  Result<void> write_day(Day day, const DayBatch& batch, const HistoryPosition* position);

  WriterLock lock_;  // under writing_
  DayFiles files_;
  const Clock& clock_;
  Log log_;
  std::mutex writing_;  // append and forget
  bool recalled_ = false;
  TaskDays task_days_{kRememberedTasks};
  std::mutex told_mutex_;
  std::set<Day> told_;  // bad days that were logged
};

template <class Look>
Result<void> SqliteHistory::look_through(const std::vector<Day>& all, const Look& look) {
  for (const auto day : all) {
    auto file = files_.open(day);
    Result<bool> enough = false;
    if (file) {
      enough = (*file)->readers.read("read " + (*file)->path,
                                     [&](Connection& connection) -> Result<bool> {
                                       return Result<bool>{look(connection, day)};
                                     });
    } else {
      enough = file.error();
    }
    if (enough && *enough) return {};
    if (enough || !files_.exists(day)) continue;
    const auto code = enough.error().code;
    if (code == Errc::NotFound) continue;
    if (code != Errc::Invalid) return enough.error();
    const std::scoped_lock lock{told_mutex_};
    if (told_.insert(day).second) {
      log_.error("a day of the history cannot be read",
                 {{"day", text_of(day)}, {"error", enough.error().what}});
    }
  }
  return {};
}

Result<void> SqliteHistory::look_for(std::vector<Newcomer>& newcomers,
                                     const std::vector<Day>& all) {
  const bool everywhere = !task_days_.complete();
  const auto concerns = [&](const Newcomer& newcomer, Day day) {
    if (newcomer.found || day == newcomer.otherwise) return false;
    return everywhere || (day >= newcomer.span.first && day <= newcomer.span.last);
  };
  std::vector<Day> worth_a_look;
  for (const auto day : all) {
    const auto some = std::ranges::any_of(
        newcomers, [&](const Newcomer& newcomer) { return concerns(newcomer, day); });
    if (some) worth_a_look.push_back(day);
  }
  return look_through(worth_a_look, [&](Connection& connection, Day day) {
    for (auto& newcomer : newcomers) {
      if (concerns(newcomer, day) && holds(connection, *newcomer.id)) newcomer.found = day;
    }
    return false;
  });
}

Result<void> SqliteHistory::recall_unfinished(const std::vector<Day>& all) {
  if (recalled_) return {};
  std::vector<std::pair<TaskId, Day>> newest_first;
  auto looked = look_through(all, [&](Connection& connection, Day day) {
    const auto room = kRememberedTasks - newest_first.size();
    for (auto& id : unfinished_ids(connection, room)) newest_first.emplace_back(std::move(id), day);
    return newest_first.size() >= kRememberedTasks;
  });
  if (!looked) return looked;
  for (auto known = newest_first.rbegin(); known != newest_first.rend(); ++known) {
    task_days_.remember(known->first, known->second);
  }
  if (newest_first.size() >= kRememberedTasks) task_days_.incomplete();
  recalled_ = true;
  return {};
}

Result<std::map<Day, DayBatch>> SqliteHistory::sort_by_day(std::span<const Task> tasks,
                                                           std::span<const Moment> moments,
                                                           const std::vector<Day>& all) {
  const auto now = clock_.wall();
  std::unordered_map<TaskId, Day> days_of;
  std::vector<Newcomer> newcomers;
  const auto meet = [&](const TaskId& id, Day otherwise, const DaySpan& span) {
    const auto known = task_days_.of(id);
    const bool first = days_of.emplace(id, known.value_or(otherwise)).second;
    if (first && !known) newcomers.push_back({&id, otherwise, span, std::nullopt});
  };
  for (const auto& task : tasks) {
    meet(task.uuid, floor<days>(plausible(first_sight(task), now)), possible_days(task));
  }
  for (const auto& moment : moments) {
    const auto at = floor<days>(plausible(moment.at, now));
    meet(moment.task, at, {at - days{1}, at + days{1}});
  }
  if (auto looked = look_for(newcomers, all); !looked) return looked.error();
  for (const auto& newcomer : newcomers) {
    if (newcomer.found) days_of[*newcomer.id] = *newcomer.found;
  }

  std::map<Day, DayBatch> batches;
  for (const auto& task : tasks) {
    batches[days_of[task.uuid]].tasks.push_back({&task, plausible(first_sight(task), now)});
  }
  for (const auto& moment : moments) batches[days_of[moment.task]].moments.push_back(&moment);
  return batches;
}

Result<void> SqliteHistory::write_day(Day day, const DayBatch& batch,
                                      const HistoryPosition* position) {
  auto file = files_.open_to_write(day);
  if (!file) return file.error();
  return (*file)->writer->write("write " + (*file)->path,
                                [&](Connection& connection) -> Result<void> {
                                  for (const auto& entry : batch.tasks)
                                    upsert_task(connection, *entry.task, entry.first_seen);
                                  for (const auto* moment : batch.moments)
                                    insert_moment(connection, *moment);
                                  if (position != nullptr) store_position(connection, *position);
                                  return {};
                                });
}

Result<void> SqliteHistory::append(std::span<const Task> tasks, std::span<const Moment> moments,
                                   const HistoryPosition& position) {
  const std::scoped_lock lock{writing_};
  if (auto held = lock_.hold(); !held) return held;
  auto all = files_.list();
  if (!all) return all.error();
  if (auto recalled = recall_unfinished(*all); !recalled) return recalled;
  auto batches = sort_by_day(tasks, moments, *all);
  if (!batches) return batches.error();

  // The position goes into the newest file, and so last.
  if (!all->empty()) (void)(*batches)[all->front()];
  if (batches->empty()) (void)(*batches)[floor<days>(clock_.wall())];
  const auto newest = batches->rbegin()->first;
  for (const auto& [day, batch] : *batches) {
    auto written = write_day(day, batch, day == newest ? &position : nullptr);
    if (!written) return written;
  }
  for (const auto& [day, batch] : *batches) {
    for (const auto& entry : batch.tasks) {
      if (is_final(entry.task->state)) {
        task_days_.forget(entry.task->uuid);
      } else {
        task_days_.remember(entry.task->uuid, day);
      }
    }
  }
  return {};
}

Result<HistoryPosition> SqliteHistory::position() {
  auto all = files_.list();
  if (!all) return all.error();
  HistoryPosition position;
  auto looked = look_through(*all, [&](Connection& connection, Day) {
    const auto stored = stored_position(connection);
    if (stored) position = *stored;
    return stored.has_value();
  });
  if (!looked) return looked.error();
  return position;
}

Result<Task> SqliteHistory::find(const TaskId& id) {
  auto all = files_.list();
  if (!all) return all.error();
  std::optional<Task> task;
  auto looked = look_through(*all, [&](Connection& connection, Day) {
    task = find_task(connection, id);
    return task.has_value();
  });
  if (!looked) return looked.error();
  if (!task) return not_found("the history has no task with the id " + id.str());
  return std::move(*task);
}

Result<std::vector<Moment>> SqliteHistory::timeline(const TaskId& id) {
  auto all = files_.list();
  if (!all) return all.error();
  std::vector<Moment> moments;
  auto looked = look_through(*all, [&](Connection& connection, Day) {
    moments = moments_of(connection, id);
    return !moments.empty();
  });
  if (!looked) return looked.error();
  return moments;
}

Result<HistoryPage> SqliteHistory::latest(std::size_t limit,
                                          const std::optional<std::string>& from) {
  std::optional<Cursor> cursor;
  if (from) {
    cursor = cursor_from(*from);
    if (!cursor) {
      return invalid("`" + *from +
                     "` is no place in the history: pass on what a page gave as its next one");
    }
  }
  auto all = files_.list();
  if (!all) return all.error();
  HistoryPage page;
  if (limit == 0) return page;
  if (cursor) std::erase_if(*all, [&](Day day) { return day > cursor->day; });

  Cursor last{};
  bool more = false;
  auto looked = look_through(*all, [&](Connection& connection, Day day) {
    const auto behind = cursor && cursor->day == day ? std::optional{cursor->place} : std::nullopt;
    for (auto& found : newest_tasks(connection, limit - page.tasks.size() + 1, behind)) {
      if (page.tasks.size() == limit) {
        more = true;
        return true;
      }
      last = {day, found.place};
      page.tasks.push_back(std::move(found.task));
    }
    return false;
  });
  if (!looked) return looked.error();
  if (more) page.next = cursor_text(last);
  return page;
}

Result<std::vector<Task>> SqliteHistory::unfinished(std::size_t limit) {
  auto all = files_.list();
  if (!all) return all.error();
  std::vector<Task> tasks;
  auto looked = look_through(*all, [&](Connection& connection, Day) {
    auto some = newest_unfinished(connection, limit - tasks.size());
    std::ranges::move(some, std::back_inserter(tasks));
    return tasks.size() >= limit;
  });
  if (!looked) return looked.error();
  return tasks;
}

Result<std::size_t> SqliteHistory::forget(WallTime before) {
  const std::scoped_lock lock{writing_};
  if (auto held = lock_.hold(); !held) return held.error();
  const auto first_kept = floor<days>(before);
  auto all = files_.list();
  if (!all) return all.error();
  if (all->empty()) return files_.remove_before(first_kept);  // leftovers
  if (all->front() < first_kept) {
    // The position must outlive the last day that has one.
    auto kept = position();
    if (!kept) return kept.error();
    const auto today = std::max(first_kept, floor<days>(clock_.wall()));
    if (auto moved = write_day(today, {}, &*kept); !moved) return moved.error();
  }
  return files_.remove_before(first_kept);
}

}  // namespace
}  // namespace store_sqlite

Result<std::unique_ptr<History>> open_sqlite_history(SqliteHistoryOptions options,
                                                     const Clock& clock, Log log) {
  std::error_code fault;
  std::filesystem::create_directories(options.folder, fault);
  if (fault) {
    return unavailable(
        fmt::format("the history folder {} cannot be made: {}", options.folder, fault.message()));
  }
  return std::unique_ptr<History>{std::make_unique<store_sqlite::SqliteHistory>(
      std::move(options.folder), clock, std::move(log))};
}

}  // namespace umbel
