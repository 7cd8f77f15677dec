// The tasks of the live state, small: a row of fixed size for each, shared texts kept once, ids as
// 16 bytes. The long texts (arguments, results, tracebacks) are held for the tasks changed last;
// of all others the history has them.
//
// Full, the table lets go of what is finished and was changed longest ago; only when nothing is
// finished, of the unfinished. Those still count in their state; of as many of them as there are
// rows a stub stays, half a row, that says what their next event means. All operations take the
// same time, however many tasks there are.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "name_pool.hpp"
#include "small_id.hpp"
#include "umbel/model/task.hpp"

namespace umbel::collector {

struct TableLimits {
  std::size_t tasks = 100'000;
  std::size_t with_texts = 5'000;
  std::size_t text_bytes = std::size_t{16} << 20;
};

// Not thread-safe.
class TaskTable {
 public:
  explicit TaskTable(TableLimits limits);

  [[nodiscard]] bool contains(const TaskId& id) const { return place_of(id) != kNowhere; }
  // Nothing: not here. The long texts are set only while they are held.
  [[nodiscard]] std::optional<Task> find(const TaskId& id) const;
  [[nodiscard]] std::optional<TaskState> state_of(const TaskId& id) const;  // nothing: not here
  // Of its last change; nothing: not here.
  [[nodiscard]] std::optional<std::uint64_t> version_of(const TaskId& id) const;
  // Puts the task in, or in the place of what was known of it, as the one changed last. Answers
  // how many others had to go.
  std::size_t put(const Task& task);

  // What is left of an unfinished task that had to go: its id, state and times. Nothing: it is
  // here, was not, or only its count is left. `put` of the same task puts an end to it.
  [[nodiscard]] std::optional<Task> stub(const TaskId& id) const;
  // Without a word about evictions; stubs go too. Versions go on.
  void clear();

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::uint64_t version() const { return version_; }  // rises with every put
  [[nodiscard]] std::uint64_t in_state(TaskState state) const {
    const auto place = static_cast<std::size_t>(state);
    return by_state_[place] + absent_[place];
  }  // unfinished ones that had to go among them
  [[nodiscard]] std::size_t stubs() const { return stubs_.size(); }
  // Unfinished tasks that are not here and have no stub: so many more of this state; and one of
  // them comes back (`put` follows).
  void add_absent(TaskState state, std::uint64_t count) {
    absent_[static_cast<std::size_t>(state)] += count;
  }
  void back_from_absence(const Task& task);
  // Tasks in the state Started on this worker; stubs are not looked at.
  [[nodiscard]] std::uint64_t running_on(std::string_view worker) const;
  // `visit(worker, name, tasks)` for what runs, `visit(queue, name, tasks)` for what is known and
  // neither runs nor has ended, both without those of which nothing is known any more; an empty
  // text where that is not known. In no order; stubs are not looked at.
  template <class Visit>
  void each_running(Visit visit) const {
    each_pair(running_, visit);
  }
  template <class Visit>
  void each_waiting(Visit visit) const {
    each_pair(waiting_, visit);
  }
  // Of the unfinished tasks that fit and of which somebody knows, those that changed longest ago
  // first.
  struct Wanted {
    bool running = false;                // else those that neither run nor have ended
    std::string_view worker{}, queue{};  // empty: any
  };
  [[nodiscard]] std::vector<Task> oldest(const Wanted& wanted, std::size_t limit) const;
  // Of the tasks that a worker held (received, started or in a state of their own) and of which
  // somebody knows, those that changed longest ago first, each with its version. `is_old(worker,
  // last change by its clock)` says which are wanted.
  using IsOld = std::function<bool(const std::string& worker, WallTime stamped)>;
  [[nodiscard]] std::vector<std::pair<Task, std::uint64_t>> held(const IsOld& is_old,
                                                                 std::size_t limit) const;
  // `visit(task)` for each of which nothing is known any more, in no order, until it answers false.
  template <class Visit>
  void each_unknown(Visit visit) const {
    for (const auto& [place, since] : unknown_) {
      if (!visit(task_at(place))) return;
    }
  }
  // Unfinished tasks of which nothing is known any more (Task::unknown_since), by the last state.
  [[nodiscard]] std::uint64_t unknown(TaskState state) const {
    return unknown_by_state_[static_cast<std::size_t>(state)];
  }
  [[nodiscard]] std::uint64_t unknown() const { return unknown_.size(); }
  // Of each queue the waiting task that changed longest ago, as far as the first `most` unfinished
  // ones tell.
  [[nodiscard]] std::map<std::string, TaskId> oldest_by_queue(std::size_t most) const;
  // Whether so many new tasks would leave no room for an unfinished one that is here.
  [[nodiscard]] bool would_press(std::size_t more) const;
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }
  [[nodiscard]] std::uint64_t evicted_unfinished() const { return evicted_unfinished_; }
  // What the table takes, by its own account; with the texts that are held.
  [[nodiscard]] std::size_t bytes() const;

  // By last change, newest first, until `visit(const Task&, version)` answers false.
  template <class Visit>
  void each(Visit visit) const {
    std::uint32_t unfinished = lists_[0].newest;
    std::uint32_t finished = lists_[1].newest;
    while (unfinished != kNowhere || finished != kNowhere) {
      const bool take_first =
          finished == kNowhere ||
          (unfinished != kNowhere && row(unfinished).version > row(finished).version);
      std::uint32_t& next = take_first ? unfinished : finished;
      const std::uint32_t place = next;
      next = row(place).older;
      if (!visit(task_at(place), row(place).version)) return;
    }
  }

  // `visit(parent's id, its own id)` for each task that has a parent, in no order.
  template <class Visit>
  void each_child(Visit visit) const {
    for (const std::uint32_t place : index_) {
      if (place == kNowhere) continue;
      const Row& child = row(place);
      if (child.parent.kind == SmallId::Kind::None) continue;
      if (std::string parent = text_of(child.parent); !parent.empty())
        visit(std::move(parent), text_of(child.id));
    }
  }

 private:
  static constexpr std::uint32_t kNowhere = 0xFFFF'FFFF;
  static constexpr std::size_t kRowsPerBlock = 1024;
  static constexpr std::size_t kTimes = 8;

  struct Row {
    SmallId id, root, parent;
    std::array<std::int64_t, kTimes> times{};  // microseconds; set where the flag is
    std::int64_t timestamp = 0;
    double runtime = 0;
    std::int64_t clock = 0;
    std::int64_t retries = 0;
    std::uint64_t version = 0;
    NamePool::Id name = 0, worker = 0, client = 0, queue = 0, exchange = 0, routing_key = 0,
                 custom = 0, started_by = 0;
    std::uint32_t newer = kNowhere, older = kNowhere;
    std::uint32_t starts = 0;
    std::uint16_t flags = 0;  // one for each time, then the others
    TaskState state = TaskState::Pending;
  };
  struct Stub {
    std::int64_t sent = 0, received = 0, started = 0, retried = 0;  // microseconds; 0: not
    std::int64_t timestamp = 0;
    std::uint32_t number = 0;  // of its entry in stub_order_
    TaskState state = TaskState::Pending;
  };
  struct Texts {
    std::optional<std::string> args, kwargs, eta, expires, result, exception, traceback;
    [[nodiscard]] std::size_t bytes() const;
    [[nodiscard]] bool empty() const;
  };
  struct List {
    std::uint32_t newest = kNowhere, oldest = kNowhere;
  };

  [[nodiscard]] Row& row(std::uint32_t place) {
    return blocks_[place / kRowsPerBlock][place % kRowsPerBlock];
  }
  [[nodiscard]] const Row& row(std::uint32_t place) const {
    return blocks_[place / kRowsPerBlock][place % kRowsPerBlock];
  }
  [[nodiscard]] std::uint32_t place_of(const TaskId& id) const;
  [[nodiscard]] Task task_at(std::uint32_t place) const;
  [[nodiscard]] std::string text_of(const SmallId& id) const;
  void write(std::uint32_t place, const Task& task);
  void write_texts(std::uint32_t place, const Task& task);
  void set(SmallId& id, const std::optional<std::string>& text);
  void set(NamePool::Id& id, const std::string& text);
  void set(NamePool::Id& id, const std::optional<std::string>& text, std::uint16_t flag, Row& row);
  void link(std::uint32_t place);
  void unlink(std::uint32_t place);
  void evict(std::uint32_t place);
  void remove(std::uint32_t place);
  void keep_stub(const Row& gone);
  void drop_stub(std::uint64_t key);
  void count(std::uint32_t place, bool in);
  using Pairs = std::unordered_map<std::uint64_t, std::uint64_t>;  // tasks by two texts of the pool
  template <class Visit>
  void each_pair(const Pairs& pairs, Visit visit) const {
    static const std::string none;
    const auto text = [&](std::uint64_t id) -> const std::string& {
      return id == NamePool::kNone ? none : names_.text(static_cast<NamePool::Id>(id));
    };
    for (const auto& [key, tasks] : pairs) visit(text(key >> 32U), text(key & 0xFFFF'FFFFU), tasks);
  }
  void drop_texts(std::uint32_t place);
  void set_unknown(std::uint32_t place, const std::optional<WallTime>& since);
  [[nodiscard]] std::uint32_t new_place();
  [[nodiscard]] List& list_of(const Row& row) { return lists_[is_final(row.state) ? 1 : 0]; }

  // The index: open addressing, linear probing.
  [[nodiscard]] static std::size_t hash(const SmallId& id);
  void index_insert(std::uint32_t place);
  void index_erase(const SmallId& id);
  void index_grow();

  const TableLimits limits_;
  NamePool names_;
  std::vector<std::unique_ptr<Row[]>> blocks_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> index_;
  std::size_t size_ = 0;
  std::array<List, 2> lists_;                           // unfinished, finished
  std::array<std::uint64_t, 9> by_state_{}, absent_{};  // rows and stubs; neither
  std::uint64_t version_ = 0, evicted_ = 0, evicted_unfinished_ = 0;
  std::unordered_map<std::uint32_t, std::int64_t> unknown_;  // since when, by place; few have it
  std::array<std::uint64_t, 9> unknown_by_state_{};
  std::unordered_map<NamePool::Id, std::uint64_t> running_on_;
  Pairs running_, waiting_;                        // by worker and name; by queue and name
  std::unordered_map<std::uint64_t, Stub> stubs_;  // by the hash of their id
  std::deque<std::pair<std::uint64_t, std::uint32_t>> stub_order_;  // key and number
  std::uint32_t stub_number_ = 0;
  std::unordered_map<std::uint32_t, Texts> texts_;
  std::size_t text_bytes_ = 0;
  std::deque<std::pair<std::uint32_t, std::uint64_t>> text_order_;  // place and version
};

}  // namespace umbel::collector
