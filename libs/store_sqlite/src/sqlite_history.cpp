#include "umbel/store_sqlite/sqlite_history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "day_files.hpp"
#include "history_rows.hpp"
#include "history_search.hpp"
#include "search_indexes.hpp"
#include "task_days.hpp"
#include "writer_lock.hpp"

namespace umbel {
namespace store_sqlite {
namespace {

using std::chrono::days;
using std::chrono::floor;

constexpr std::size_t kRememberedTasks = 100'000;
constexpr auto kSettlingTakes = std::chrono::seconds{1};  // milliseconds, unless its disk is slow
constexpr auto kSettlingLook = std::chrono::milliseconds{2};

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
      : lock_path_{folder + ".lock"},
        lock_{lock_path_},
        files_{std::move(folder)},
        clock_{clock},
        log_{std::move(log)} {}

  [[nodiscard]] Result<void> become_writer() override;
  [[nodiscard]] Result<void> append(std::span<const Task> tasks, std::span<const Moment> moments,
                                    const HistoryPosition& position) override;
  [[nodiscard]] Result<HistoryPosition> position() override;
  [[nodiscard]] Result<std::vector<KeptRow>> kept(const std::string& kind,
                                                  std::int64_t from) override;
  [[nodiscard]] Result<Task> find(const TaskId& id) override;
  [[nodiscard]] Result<std::vector<Moment>> timeline(const TaskId& id) override;
  [[nodiscard]] Result<HistoryPage> latest(std::size_t limit,
                                           const std::optional<std::string>& from) override;
  [[nodiscard]] Result<SearchPage> search(const TaskQuery& query,
                                          const SearchOptions& options) override;
  [[nodiscard]] Result<std::vector<Task>> unfinished(std::size_t limit) override;
  [[nodiscard]] Result<std::vector<HistoryDay>> day_sizes() override;
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
  Result<void> write_day(Day day, const DayBatch& batch);
  Result<void> commit(Day newest, const std::map<Day, DayBatch>& batches,
                      const HistoryPosition& position);
  // Makes an index that a day of an earlier version lacks, at most one: a million tasks take most
  // of a second. Under `writing_`, as the writer.
  void make_an_index(const std::vector<Day>& all);
  // Brings what a batch deferred into the files where it belongs. Under `writing_`, as the writer.
  Result<void> settle();
  // As one moment of the newest file: a position, and whether all that it covers is in its place.
  struct Stored {
    HistoryPosition position;
    bool settled = true;
  };
  Result<Stored> stored();
  Result<void> settle_if_nobody_writes();

  const std::string lock_path_;
  WriterLock lock_;  // under writing_
  DayFiles files_;
  const Clock& clock_;
  Log log_;
  std::mutex writing_;  // append and forget
  bool recalled_ = false;
  bool settled_ = false;
  TaskDays task_days_{kRememberedTasks};
  std::set<Day> indexed_;  // days that have all their indexes, or cannot have them
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
    if (code != Errc::Invalid && code != Errc::Corrupt) return enough.error();
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

Result<void> SqliteHistory::write_day(Day day, const DayBatch& batch) {
  auto file = files_.open_to_write(day);
  if (!file) return file.error();
  return (*file)->writer->write("write " + (*file)->path,
                                [&](Connection& connection) -> Result<void> {
                                  for (const auto& entry : batch.tasks)
                                    upsert_task(connection, *entry.task, entry.first_seen);
                                  for (const auto* moment : batch.moments)
                                    insert_moment(connection, *moment);
                                  return {};
                                });
}

Result<void> SqliteHistory::commit(Day newest, const std::map<Day, DayBatch>& batches,
                                   const HistoryPosition& position) {
  auto file = files_.open_to_write(newest);
  if (!file) return file.error();
  return (*file)->writer->write("write " + (*file)->path,
                                [&](Connection& connection) -> Result<void> {
                                  for (const auto& [day, batch] : batches) {
                                    for (const auto& entry : batch.tasks) {
                                      if (day == newest) {
                                        upsert_task(connection, *entry.task, entry.first_seen);
                                      } else {
                                        defer_task(connection, day, *entry.task, entry.first_seen);
                                      }
                                    }
                                    for (const auto* moment : batch.moments) {
                                      if (day == newest) {
                                        insert_moment(connection, *moment);
                                      } else {
                                        defer_moment(connection, day, *moment);
                                      }
                                    }
                                  }
                                  store_position(connection, position);
                                  return {};
                                });
}

void SqliteHistory::make_an_index(const std::vector<Day>& all) {
  for (const auto day : all) {
    if (indexed_.contains(day)) continue;
    auto file = files_.open_to_write(day);
    Result<Indexes> made =
        file ? (*file)->writer->write("index " + (*file)->path,
                                      [](Connection& connection) -> Result<Indexes> {
                                        return make_next_index(connection);
                                      })
             : Result<Indexes>{file.error()};
    if (!made) {
      log_.warn("searching a day of the history will take longer: its indexes cannot be made",
                {{"day", text_of(day)}, {"error", made.error().what}});
    }
    if (!made || *made == Indexes::Complete) indexed_.insert(day);
    return;
  }
}

Result<void> SqliteHistory::settle() {
  if (settled_) return {};
  auto all = files_.list();
  if (!all) return all.error();
  // The writer makes no newer file before the newest one is settled.
  Deferred waiting;
  std::optional<Day> where;
  auto looked = look_through(*all, [&](Connection& connection, Day day) {
    waiting = deferred(connection);
    where = day;
    return true;
  });
  if (!looked) return looked;
  std::map<Day, DayBatch> batches;
  for (const auto& [day, tasks] : waiting.tasks) {
    for (const auto& each : tasks)
      batches[day].tasks.push_back({&each.task, each.place.first_seen});
  }
  for (const auto& [day, moments] : waiting.moments) {
    for (const auto& each : moments) batches[day].moments.push_back(&each);
  }
  for (const auto& [day, batch] : batches) {
    if (auto written = write_day(day, batch); !written) return written;
  }
  if (!batches.empty()) {
    auto file = files_.open_to_write(*where);
    if (!file) return file.error();
    auto cleared = (*file)->writer->write("write " + (*file)->path,
                                          [](Connection& connection) -> Result<void> {
                                            forget_deferred(connection);
                                            return {};
                                          });
    if (!cleared) return cleared;
  }
  settled_ = true;
  return {};
}

Result<void> SqliteHistory::settle_if_nobody_writes() {
  const std::scoped_lock lock{writing_};
  if (settled_) return {};
  auto all = files_.list();
  if (!all) return all.error();
  bool something = false;
  auto looked = look_through(*all, [&](Connection& connection, Day) {
    something = has_deferred(connection);
    return true;
  });
  if (!looked) return looked;
  if (!something) return {};
  WriterLock ours{lock_path_};
  if (!ours.hold()) return {};  // whoever writes settles it
  auto settled = settle();
  settled_ = false;  // another writer may come before we do
  return settled;
}

Result<void> SqliteHistory::become_writer() {
  const std::scoped_lock lock{writing_};
  if (auto held = lock_.hold(); !held) return held;
  return settle();
}

Result<void> SqliteHistory::append(std::span<const Task> tasks, std::span<const Moment> moments,
                                   const HistoryPosition& position) {
  const std::scoped_lock lock{writing_};
  if (auto held = lock_.hold(); !held) return held;
  if (auto settled = settle(); !settled) return settled;
  auto all = files_.list();
  if (!all) return all.error();
  if (auto recalled = recall_unfinished(*all); !recalled) return recalled;
  auto batches = sort_by_day(tasks, moments, *all);
  if (!batches) return batches.error();

  // Everything is committed in the newest file, together with the position; what belongs into older
  // files is brought there afterwards, and again after a kill.
  if (!all->empty()) (void)(*batches)[all->front()];
  if (batches->empty()) (void)(*batches)[floor<days>(clock_.wall())];
  const auto newest = batches->rbegin()->first;
  if (auto written = commit(newest, *batches, position); !written) return written;
  for (const auto& [day, batch] : *batches) {
    for (const auto& entry : batch.tasks) {
      if (is_final(entry.task->state)) {
        task_days_.forget(entry.task->uuid);
      } else {
        task_days_.remember(entry.task->uuid, day);
      }
    }
    if (day != newest && (!batch.tasks.empty() || !batch.moments.empty())) settled_ = false;
  }
  if (auto settled = settle(); !settled) {
    return Error{
        Errc::OutcomeUnknown,
        "the history's batch is kept, but not yet in its days' files: " + settled.error().what};
  }
  make_an_index(*all);
  return {};
}

Result<std::vector<KeptRow>> SqliteHistory::kept(const std::string& kind, std::int64_t from) {
  auto all = files_.list();
  if (!all) return all.error();
  // A day's rows may be written in the day after, and hardly earlier: a clock may be off.
  const Day first = floor<days>(std::chrono::sys_seconds{std::chrono::seconds{from}}) - days{1};
  std::erase_if(*all, [first](Day day) { return day < first; });
  std::map<std::int64_t, KeptRow> rows;
  auto looked = look_through(*all, [&](Connection& connection, Day) {
    for (auto& row : kept_rows(connection, kind, from)) {
      const auto at = row.at;
      rows.try_emplace(at, std::move(row));  // newest file first
    }
    return false;
  });
  if (!looked) return looked.error();
  std::vector<KeptRow> oldest_first;
  oldest_first.reserve(rows.size());
  for (auto& [at, row] : rows) oldest_first.push_back(std::move(row));
  return oldest_first;
}

// A position that covers rows which another process is just bringing into their days is not told
// before they are there: whoever asked may look for them next.
Result<HistoryPosition> SqliteHistory::position() {
  const auto limit = clock_.steady() + kSettlingTakes;
  for (;;) {
    if (auto settled = settle_if_nobody_writes(); !settled) return settled.error();
    auto found = stored();
    if (!found) return found.error();
    if (found->settled || clock_.steady() >= limit) return std::move(found->position);
    std::this_thread::sleep_for(kSettlingLook);
  }
}

Result<SqliteHistory::Stored> SqliteHistory::stored() {
  auto all = files_.list();
  if (!all) return all.error();
  Stored found;
  bool newest = true;
  auto looked = look_through(*all, [&](Connection& connection, Day) {
    if (std::exchange(newest, false)) found.settled = !has_deferred(connection);
    auto position = stored_position(connection);
    if (position) found.position = std::move(*position);
    return position.has_value();
  });
  if (!looked) return looked.error();
  return found;
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

Result<SearchPage> SqliteHistory::search(const TaskQuery& query, const SearchOptions& options) {
  auto all = files_.list();
  if (!all) return all.error();
  HistorySearch search{query, options, clock_,
                       [this](const std::vector<Day>& of_these, const auto& look) {
                         return look_through(of_these, look);
                       }};
  return search.run(std::move(*all));
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

Result<std::vector<HistoryDay>> SqliteHistory::day_sizes() {
  auto all = files_.list();
  if (!all) return all.error();
  std::vector<HistoryDay> oldest_first;
  for (auto day = all->rbegin(); day != all->rend(); ++day)
    oldest_first.push_back({.day = text_of(*day), .bytes = files_.bytes(*day)});
  return oldest_first;
}

Result<std::size_t> SqliteHistory::forget(WallTime before) {
  const std::scoped_lock lock{writing_};
  if (auto held = lock_.hold(); !held) return held.error();
  if (auto settled = settle(); !settled) return settled.error();
  const auto first_kept = floor<days>(before);
  auto all = files_.list();
  if (!all) return all.error();
  if (all->empty()) return files_.remove_before(first_kept);  // leftovers
  if (all->front() < first_kept) {
    // The position must outlive the last day that has one.
    auto last = stored();
    if (!last) return last.error();
    const auto today = std::max(first_kept, floor<days>(clock_.wall()));
    if (auto moved = commit(today, {}, last->position); !moved) return moved.error();
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
