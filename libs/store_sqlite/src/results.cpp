#include "results.hpp"

#include <utility>

#include "outbox.hpp"
#include "umbel/celery/result_meta.hpp"

namespace umbel::store_sqlite {
namespace {

#define UMBEL_STORED_TASK_COLUMNS                                                              \
  "id, name, queue, state, accepted, run, result, traceback, worker, runtime, done, sequence," \
  " children"

// As the members of a group that nobody can ask for.
std::string text_of(const std::vector<ResultTree>& children) {
  return children.empty() ? std::string{} : celery::encode_group({"children", true, children});
}

std::vector<ResultTree> children_from(const std::string& text) {
  if (text.empty()) return {};
  auto group = celery::decode_group(text);
  return group ? std::move(group->members) : std::vector<ResultTree>{};
}

StoredTask stored_task(const Query& row) {
  StoredTask task;
  task.id = TaskId{row.text(0)};
  task.name = row.text(1);
  task.queue = QueueName{row.text(2)};
  task.state = task_state_from(row.text(3)).value_or(TaskState::Pending);
  task.accepted = row.time_or_null(4);
  task.run = row.integer(5);
  task.result = row.text(6);
  task.traceback = row.text(7);
  task.worker = row.text(8);
  task.runtime = row.real_or_null(9);
  task.done = row.time_or_null(10);
  task.sequence = row.number(11);
  task.children = children_from(row.text(12));
  return task;
}

std::optional<RunState> run_state(Connection& connection, const TaskId& id) {
  auto row = connection.query(
      "SELECT run, lost_starts, sequence IS NOT NULL, handed_back,"
      " sequence IS NOT NULL AND state = 'REVOKED' AND worker = '' FROM tasks WHERE id = ?",
      id);
  if (!row.next()) return std::nullopt;
  return RunState{.final = row.flag(2),
                  .revoked = row.flag(4),
                  .run = row.integer(0),
                  .lost_starts = row.integer(1),
                  .handed_back = row.integer(3)};
}

Result<void> check(const FinishedRun& run) {
  const bool retry = run.state == TaskState::Retry;
  if (!retry && !is_final(run.state)) {
    return invalid(fmt::format(
        "result of task {}: state {} is none that a run ends in (SUCCESS, FAILURE, REVOKED, RETRY)",
        run.id.str(), to_text(run.state)));
  }
  if (retry && !(run.successors.empty() && run.fails_with_it.empty())) {
    return invalid(
        fmt::format("result of task {}: state RETRY, and something follows it", run.id.str()));
  }
  if (retry != run.retry.has_value()) {
    return invalid(fmt::format("result of task {}: state {} {} the next attempt's message",
                               run.id.str(), to_text(run.state), retry ? "needs" : "excludes"));
  }
  return {};
}

// Hands out result sequences of one batch; those not used are never handed out again.
class Sequences {
 public:
  Sequences(Connection& connection, std::size_t most) : connection_{connection}, most_{most} {}
  std::uint64_t next() {
    if (next_ == 0) next_ = take_numbers(connection_, "result", most_);
    return next_++;
  }

 private:
  Connection& connection_;
  std::size_t most_;
  std::uint64_t next_ = 0;
};

void store(Connection& connection, const FinishedRun& run, bool known, std::int64_t next_run,
           const std::optional<std::uint64_t>& sequence) {
  const auto done = sequence ? std::optional{run.done} : std::nullopt;
  if (known) {
    connection.run(
        "UPDATE tasks SET state = ?2, run = ?3, result = ?4, traceback = ?5, worker = ?6,"
        " runtime = ?7, done = ?8, sequence = ?9, children = ?10 WHERE id = ?1",
        run.id, to_text(run.state), next_run, run.result, run.traceback, run.worker, run.runtime,
        done, sequence, text_of(run.children));
    return;
  }
  connection.run(
      "INSERT INTO tasks (id, state, run, result, traceback, worker, runtime, done, sequence, name,"
      " queue, children, lost_starts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
      run.id, to_text(run.state), next_run, run.result, run.traceback, run.worker, run.runtime,
      done, sequence, run.name, run.queue, text_of(run.children));
}

// Tasks that will never run because `run` ended as it did.
void end_with(Connection& connection, const FinishedRun& run, Sequences& sequences) {
  for (const auto& task : run.fails_with_it) {
    {
      auto row = connection.query(
          "SELECT sequence IS NOT NULL, started IS NOT NULL FROM tasks WHERE id = ?", task.id);
      if (row.next() && (row.flag(0) || row.flag(1))) continue;
    }
    connection.run(
        "INSERT INTO tasks (id, name, queue, state, run, lost_starts, result, traceback, worker,"
        " done, sequence) VALUES (?1, ?2, ?3, ?4, 0, 0, ?5, ?6, ?7, ?8, ?9)"
        " ON CONFLICT (id) DO UPDATE SET state = ?4, result = ?5, traceback = ?6, worker = ?7,"
        " runtime = NULL, done = ?8, sequence = ?9",
        task.id, task.name, task.queue, to_text(run.state), run.result, run.traceback, run.worker,
        run.done, sequences.next());
  }
}

}  // namespace

Result<std::vector<RunState>> SqliteResults::look_up(std::span<const TaskId> ids) {
  return file_.read_first("look up tasks",
                          [&](Connection& connection) -> Result<std::vector<RunState>> {
                            std::vector<RunState> states;
                            states.reserve(ids.size());
                            for (const auto& id : ids)
                              states.push_back(run_state(connection, id).value_or(RunState{}));
                            return states;
                          });
}

Result<std::vector<RunState>> SqliteResults::begin(std::span<const NamedTask> tasks) {
  using States = std::vector<RunState>;
  return file_.write("begin runs", [&](Connection& connection) -> Result<States> {
    States states;
    states.reserve(tasks.size());
    for (const auto& task : tasks) {
      auto begun = connection.query(
          "INSERT INTO tasks (id, name, queue, state, run, lost_starts, started)"
          " VALUES (?, ?, ?, 'PENDING', 0, 0, 0)"
          " ON CONFLICT (id) DO UPDATE SET started = run WHERE sequence IS NULL"
          " RETURNING run, lost_starts, handed_back",
          task.id, task.name, task.queue);
      if (begun.next()) {
        states.push_back({.run = begun.integer(0),
                          .lost_starts = begun.integer(1),
                          .handed_back = begun.integer(2)});
      } else {
        states.push_back(*run_state(connection, task.id));
      }
    }
    return states;
  });
}

Result<std::vector<Revocation>> SqliteResults::revoke(std::span<const NamedTask> tasks,
                                                      const std::string& result, WallTime now) {
  using Answers = std::vector<Revocation>;
  return file_.write("revoke tasks", [&](Connection& connection) -> Result<Answers> {
    Answers answers;
    answers.reserve(tasks.size());
    Sequences sequences{connection, tasks.size()};
    for (const auto& task : tasks) {
      {
        auto row = connection.query(
            "SELECT sequence IS NOT NULL, started = run FROM tasks WHERE id = ?", task.id);
        if (row.next() && (row.flag(0) || row.flag(1))) {
          answers.push_back(row.flag(0) ? Revocation::Ended : Revocation::Running);
          continue;
        }
      }
      connection.run(
          "INSERT INTO tasks (id, name, queue, state, run, lost_starts, result, traceback, worker,"
          " done, sequence) VALUES (?1, ?2, ?3, 'REVOKED', 0, 0, ?4, '', '', ?5, ?6)"
          " ON CONFLICT (id) DO UPDATE SET state = 'REVOKED', result = ?4, traceback = '',"
          " worker = '', runtime = NULL, done = ?5, sequence = ?6",
          task.id, task.name, task.queue, result, now, sequences.next());
      answers.push_back(Revocation::Revoked);
    }
    return answers;
  });
}

Result<KeptArguments> SqliteResults::arguments(const TaskId& id) {
  return file_.read("read a task's arguments", [&](Connection& connection) {
    KeptArguments kept;
    auto row = connection.query("SELECT body, body_bytes FROM tasks WHERE id = ?", id);
    if (row.next()) {
      kept.body = row.text_or_null(0);
      kept.bytes = row.number(1);
    }
    return Result<KeptArguments>{std::move(kept)};
  });
}

Result<RunState> SqliteResults::begin_again(const TaskId& id, const std::string& name,
                                            const QueueName& queue) {
  return file_.write("count a lost run", [&](Connection& connection) -> Result<RunState> {
    connection.run(
        "INSERT INTO tasks (id, name, queue, state, run, lost_starts, started)"
        " VALUES (?, ?, ?, 'PENDING', 1, 1, 1)"
        " ON CONFLICT (id) DO UPDATE SET run = run + 1, lost_starts = lost_starts + 1,"
        " started = run + 1 WHERE sequence IS NULL",
        id, name, queue);
    return *run_state(connection, id);
  });
}

Result<void> SqliteResults::hand_back(std::span<const HandedBack> runs) {
  return file_.write("note runs that are handed back", [&](Connection& connection) -> Result<void> {
    for (const auto& run : runs) {
      connection.run(
          "INSERT INTO tasks (id, name, queue, state, run, lost_starts, handed_back)"
          " VALUES (?, ?, ?, 'PENDING', 0, 0, 1)"
          " ON CONFLICT (id) DO UPDATE SET handed_back = handed_back + 1, started = NULL"
          " WHERE sequence IS NULL",
          run.id, run.name, run.queue);
    }
    return {};
  });
}

Result<std::vector<FinishOutcome>> SqliteResults::finish(std::span<const FinishedRun> runs) {
  for (const auto& run : runs) {
    if (auto fine = check(run); !fine) return fine.error();
  }
  using Outcomes = std::vector<FinishOutcome>;
  return file_.write("store results", [&](Connection& connection) -> Result<Outcomes> {
    Outcomes outcomes;
    outcomes.reserve(runs.size());
    std::size_t endings = runs.size(), messages = 0;
    for (const auto& run : runs) {
      endings += run.fails_with_it.size();
      messages += run.successors.size();
    }
    Sequences sequences{connection, endings};
    RowNumbers numbers{connection, messages};
    for (const auto& run : runs) {
      auto& outcome = outcomes.emplace_back();
      const auto current = run_state(connection, run.id);
      const auto state = current.value_or(RunState{});
      if (state.final || state.run != run.run) continue;
      outcome.stored = true;
      if (!run.retry) {
        store(connection, run, current.has_value(), run.run, sequences.next());
        for (const auto& task : run.successors) {
          outcome.successor_rows.push_back(accept_task(connection, task, run.done, numbers));
        }
        end_with(connection, run, sequences);
        continue;
      }
      store(connection, run, current.has_value(), run.run + 1, std::nullopt);
      outcome.retry_row = take_numbers(connection, "outbox", 1);
      insert_into_outbox(connection, *outcome.retry_row, *run.retry, run.done);
    }
    return outcomes;
  });
}

Result<StoredTask> SqliteResults::find(const TaskId& id) {
  return file_.read("find a task", [&](Connection& connection) -> Result<StoredTask> {
    auto row = connection.query("SELECT " UMBEL_STORED_TASK_COLUMNS " FROM tasks WHERE id = ?", id);
    if (!row.next()) return not_found("no task has the id " + id.str());
    return stored_task(row);
  });
}

Result<std::vector<StoredTask>> SqliteResults::finished_since(std::uint64_t after,
                                                              std::size_t limit) {
  return file_.read("read results", [&](Connection& connection) -> Result<std::vector<StoredTask>> {
    std::vector<StoredTask> tasks;
    auto row = connection.query("SELECT " UMBEL_STORED_TASK_COLUMNS
                                " FROM tasks WHERE sequence > ? ORDER BY sequence LIMIT ?",
                                after, limit);
    while (row.next()) tasks.push_back(stored_task(row));
    return tasks;
  });
}

}  // namespace umbel::store_sqlite
