#include "umbel/enqueue/enqueuer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "acceptance_group.hpp"
#include "arguments.hpp"
#include "known_tasks.hpp"
#include "publisher.hpp"
#include "relay_turn.hpp"
#include "umbel/base/ordered_id.hpp"
#include "umbel/celery/json.hpp"
#include "umbel/celery/task_message.hpp"

namespace umbel {
namespace {

constexpr std::size_t kRelayBatch = 500;
constexpr auto kClockStep = std::chrono::milliseconds{500};  // less is no step
constexpr std::size_t kMostTogether = 200;                   // acceptances in one transaction
constexpr std::size_t kLongestId = 255;
constexpr int kHighestPriority = 255;

Result<void> check_envelope(const TaskRequest& request) {
  if (request.name.empty()) return invalid("a task without a name");
  const auto refused = [&](const std::string& why) {
    return invalid(fmt::format("task `{}`: {}", request.name, why));
  };
  if (request.id && (request.id->empty() || request.id->str().size() > kLongestId)) {
    return refused(
        fmt::format("an id of {} bytes; it has 1 to {}", request.id->str().size(), kLongestId));
  }
  if (request.queue && request.queue->empty()) return refused("a queue without a name");
  if (request.priority < 0 || request.priority > kHighestPriority) {
    return refused(
        fmt::format("priority {}; it lies between 0 and {}", request.priority, kHighestPriority));
  }
  return {};
}

celery::TaskMessage message_for(const TaskRequest& request, const TaskId& id,
                                enqueue::Arguments arguments, boost::json::object headers,
                                const std::optional<CatalogueEntry>& entry,
                                const std::string& origin) {
  celery::TaskMessage message;
  message.task = request.name;
  message.id = id;
  message.args = std::move(arguments.args);
  message.kwargs = std::move(arguments.kwargs);
  message.eta = request.eta;
  message.expires = request.expires;
  message.root_id = request.root.empty() ? id.str() : request.root.str();
  message.parent_id = request.parent.str();
  message.origin = origin;
  message.priority = request.priority;
  message.extra_headers = std::move(headers);
  if (entry) {
    message.ignore_result = entry->ignore_result;
    message.soft_time_limit = entry->soft_time_limit;
  }
  return message;
}

Result<AcceptedTask> prepare(const TaskRequest& request, enqueue::KnownTasks& catalogue,
                             const std::string& origin, WallTime now) {
  if (auto fine = check_envelope(request); !fine) return fine.error();
  auto arguments = enqueue::read_arguments(request.name, request.args, request.kwargs);
  if (!arguments) return arguments.error();
  Result<boost::json::value> headers = boost::json::value(boost::json::object{});
  if (!request.headers.empty()) headers = celery::parse_json(request.headers);
  if (!headers || !headers->is_object()) {
    return invalid(fmt::format("task `{}`: its headers are no JSON object", request.name));
  }
  const auto known = catalogue.find(request.name);
  if (!known) return known.error();
  const std::optional<CatalogueEntry>& entry = **known;
  if (entry) {
    if (auto fine = enqueue::check_arguments(*entry, *arguments); !fine) return fine.error();
  }
  AcceptedTask task;
  task.id = request.id ? *request.id : ordered_task_id(now);
  task.name = request.name;
  task.queue = request.queue.value_or(
      entry ? entry->queue : request.queue_of_unknown.value_or(QueueName{kDefaultQueue}));
  task.message = celery::encode_task(message_for(request, task.id, std::move(*arguments),
                                                 std::move(headers->get_object()), entry, origin));
  task.not_before = request.eta;
  return task;
}

// As a worker stores an exception.
std::string refusal_document(const Error& why) {
  return celery::to_json(celery::exception_document(
      "MessageRefused", "the broker refuses the message: " + why.what, "umbel"));
}

OutgoingMessage outgoing(const OutboxRow& row) { return {row.queue, row.message, row.not_before}; }

}  // namespace

Enqueuer::Enqueuer(Store& store, Broker& broker, const Clock& clock, Log log, std::string origin)
    : store_{store},
      broker_{broker},
      clock_{clock},
      log_{std::move(log)},
      origin_{std::move(origin)},
      known_{std::make_unique<enqueue::KnownTasks>(store.catalogue(), clock)},
      group_{std::make_unique<enqueue::AcceptanceGroup>(
          kMostTogether, [this](auto joined) { accept_joined(joined); })},
      turn_{std::make_unique<enqueue::RelayTurn>(store.leases(), clock)} {}

Enqueuer::~Enqueuer() = default;

void Enqueuer::publish_behind() {
  publisher_ = std::make_unique<enqueue::Publisher>([this](auto rows) { publish_rows(rows); });
}

Result<std::vector<AcceptedHandle>> Enqueuer::submit(std::span<const TaskRequest> requests,
                                                     const Together& together) {
  enqueue::Joined mine;
  Acceptance& acceptance = mine.acceptance;
  acceptance.tick = together.tick;
  acceptance.sightings = together.sightings;
  acceptance.watermark = together.watermark;
  acceptance.at = clock_.wall();
  acceptance.tasks.reserve(requests.size());
  for (const auto& request : requests) {
    auto task = prepare(request, *known_, origin_, acceptance.at);
    if (!task && requests.size() > 1) {
      return Error{task.error().code,
                   fmt::format("request {} of {}: {}", acceptance.tasks.size() + 1, requests.size(),
                               task.error().what)};
    }
    if (!task) return task.error();
    acceptance.tasks.push_back(std::move(*task));
  }
  std::vector<AcceptedHandle> handles;
  handles.reserve(requests.size());
  for (const auto& task : acceptance.tasks) handles.push_back({task.id, task.name, task.queue});

  // What belongs together with more than tasks, or is many already, goes by itself.
  if (acceptance.tick || acceptance.watermark || !acceptance.sightings.empty() ||
      acceptance.tasks.size() > 1) {
    enqueue::Joined* const alone = &mine;
    accept_joined(std::span{&alone, 1});
  } else {
    group_->join(mine);
  }

  if (!mine.answer) return mine.answer.error();
  for (std::size_t i = 0; i < handles.size(); ++i) {
    // An id of our own making cannot have been accepted before, whatever a repeated call met.
    handles[i].fresh = (*mine.answer)[i].has_value() || !requests[i].id;
  }
  return handles;
}

void Enqueuer::accept_joined(std::span<enqueue::Joined* const> joined) {
  const auto accept = [&]() -> Result<void> {
    if (joined.size() == 1) {
      joined.front()->answer = store_.outbox().accept(joined.front()->acceptance);
      if (!joined.front()->answer) return joined.front()->answer.error();
      return {};
    }
    std::vector<Acceptance> all;
    all.reserve(joined.size());
    for (auto* each : joined) all.push_back(std::move(each->acceptance));
    auto answers = store_.outbox().accept_each(all);
    for (std::size_t i = 0; i < joined.size(); ++i) joined[i]->acceptance = std::move(all[i]);
    if (!answers) return answers.error();
    for (std::size_t i = 0; i < joined.size(); ++i) joined[i]->answer = std::move((*answers)[i]);
    return {};
  };
  auto done = accept();
  // The ids stand, so that a second time is harmless; only a tick would be in its own way.
  const bool repeatable = !joined.front()->acceptance.tick;
  if (!done && done.error().code == Errc::OutcomeUnknown && repeatable) done = accept();
  if (!done && joined.size() > 1) {
    for (auto* each : joined) each->answer = done.error();
  }

  std::vector<OutboxRow> fresh;
  for (auto* each : joined) {
    if (!each->answer) continue;
    for (std::size_t i = 0; i < each->acceptance.tasks.size(); ++i) {
      auto& task = each->acceptance.tasks[i];
      const auto& row = (*each->answer)[i];
      if (!row) continue;
      fresh.push_back({*row, task.id, task.queue, std::move(task.message), task.not_before});
    }
  }
  if (publisher_) {
    publisher_->take(std::move(fresh));
  } else {
    publish_rows(fresh);
  }
}

Result<std::vector<Result<AcceptedHandle>>> Enqueuer::submit_ticks(
    std::span<const TickedTask> ticks) {
  std::vector<Acceptance> acceptances;
  std::vector<Result<AcceptedHandle>> answers;
  std::vector<std::size_t> answer_of;  // for each acceptance
  const auto now = clock_.wall();
  answers.reserve(ticks.size());
  for (const auto& [request, tick] : ticks) {
    auto task = prepare(request, *known_, origin_, now);
    if (!task && task.error().code != Errc::Invalid) return task.error();
    if (!task) {
      answers.emplace_back(task.error());
      continue;
    }
    answer_of.push_back(answers.size());
    answers.emplace_back(AcceptedHandle{task->id, task->name, task->queue});
    auto& acceptance = acceptances.emplace_back();
    acceptance.tick = tick;
    acceptance.at = now;
    acceptance.tasks.push_back(std::move(*task));
  }
  if (acceptances.empty()) return answers;

  const auto accepted = store_.outbox().accept_each(acceptances);
  if (!accepted) return accepted.error();

  std::vector<OutboxRow> fresh;
  for (std::size_t i = 0; i < acceptances.size(); ++i) {
    const auto& rows = (*accepted)[i];
    auto& answer = answers[answer_of[i]];
    if (!rows) {
      answer = rows.error();
      continue;
    }
    auto& task = acceptances[i].tasks.front();
    const auto& row = rows->front();
    answer->fresh = row.has_value();
    if (!row) continue;
    fresh.push_back({*row, task.id, task.queue, std::move(task.message), task.not_before});
  }
  publish_rows(fresh);
  return answers;
}

Result<void> Enqueuer::accept(std::vector<AcceptedTask> tasks) {
  if (tasks.empty()) return {};
  enqueue::Joined mine;
  mine.acceptance.tasks = std::move(tasks);
  mine.acceptance.at = clock_.wall();
  enqueue::Joined* const alone = &mine;
  accept_joined(std::span{&alone, 1});
  if (!mine.answer) return mine.answer.error();
  return {};
}

Result<QueueName> Enqueuer::queue_of(const std::string& task, const QueueName& otherwise) {
  const auto known = known_->find(task);
  if (!known) return known.error();
  const std::optional<CatalogueEntry>& entry = **known;
  return entry ? entry->queue : otherwise;
}

void Enqueuer::publish_successors(std::span<FinishedRun> runs,
                                  std::span<const FinishOutcome> outcomes) {
  std::vector<OutboxRow> rows;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const auto& numbers = outcomes[i].successor_rows;
    for (std::size_t each = 0; each < numbers.size(); ++each) {
      auto& task = runs[i].successors[each];
      if (!numbers[each]) continue;
      rows.push_back(
          {*numbers[each], task.id, task.queue, std::move(task.message), task.not_before});
    }
  }
  if (!rows.empty()) publish_rows(rows);
}

void Enqueuer::publish_rows(std::span<const OutboxRow> rows) {
  (void)carry(rows);  // logged there; the rows are still in the outbox, and the relay takes them
}

Result<std::size_t> Enqueuer::relay(std::chrono::milliseconds older_than) {
  const auto steady = clock_.steady();
  const auto wall = clock_.wall();
  const auto before = wall - older_than - set_forward(wall, steady, older_than);
  const auto after = wall + older_than;
  std::size_t published = 0;
  for (;;) {
    const auto rows = store_.outbox().unpublished(before, kRelayBatch, after);
    if (!rows) return rows.error();
    if (rows->empty()) break;
    if (!turn_->take(rows->front().id)) return published;
    const auto carried = carry(*rows);
    if (!carried) {
      turn_->over();
      return carried.error();
    }
    published += *carried;
    if (rows->size() < kRelayBatch) break;
  }
  turn_->over();
  return published;
}

std::chrono::microseconds Enqueuer::set_forward(WallTime wall, Steady::time_point steady,
                                                std::chrono::milliseconds older_than) {
  const std::lock_guard lock{clock_mutex_};
  const auto last = std::exchange(last_look_, ClockLook{wall, steady});
  if (steady >= forward_until_) forward_ = {};
  if (!last) return forward_;
  const auto step = (wall - last->wall) -
                    std::chrono::duration_cast<std::chrono::microseconds>(steady - last->steady);
  if (step > kClockStep) {
    forward_ += step;
    forward_until_ = steady + older_than;
  } else if (step < -kClockStep) {
    forward_ = {};
  }
  return forward_;
}

Result<std::size_t> Enqueuer::carry(std::span<const OutboxRow> rows) {
  if (rows.empty()) return std::size_t{0};
  std::vector<OutgoingMessage> messages;
  std::vector<OutboxId> done;
  for (const auto& row : rows) {
    messages.push_back(outgoing(row));
    done.push_back(row.id);
  }
  std::size_t count = rows.size();
  auto published = publish(messages);
  if (!published && published.error().code != Errc::Invalid) return published.error();
  if (!published) {
    // One message that the broker refuses must not keep the others.
    done.clear();
    std::vector<Refused> refused;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      published = publish(std::span{messages}.subspan(i, 1));
      if (published) {
        done.push_back(rows[i].id);
      } else if (published.error().code == Errc::Invalid) {
        refused.push_back({&rows[i], published.error()});
        published = {};
      } else {
        break;
      }
    }
    count = done.size();
    if (auto ended = end(refused); ended) {
      for (const auto& each : refused) done.push_back(each.row->id);
    } else if (published) {
      published = ended;
    }
  }
  auto cleared = store_.outbox().clear(done);
  if (!cleared) {
    log_.warn("published tasks could not be cleared from the outbox and will be published again",
              {{"tasks", done.size()}, {"error", cleared.error().what}});
    return cleared.error();
  }
  if (!published) return published.error();
  return count;
}

// The row goes only after the result stands, so that a kill in between costs nothing but a second
// refusal. A run that somebody else has ended or begun anew meanwhile keeps what it has.
Result<void> Enqueuer::end(std::span<const Refused> refused) {
  std::vector<FinishedRun> runs;
  for (const auto& [row, why] : refused) {
    auto task = store_.results().find(row->task);
    if (!task && task.error().code == Errc::NotFound) continue;  // retention was faster
    if (!task) return task.error();
    FinishedRun run;
    run.id = row->task;
    run.name = task->name;
    run.queue = row->queue;
    run.run = task->run;
    run.state = TaskState::Failure;
    run.result = refusal_document(why);
    run.done = clock_.wall();
    runs.push_back(std::move(run));
  }
  if (runs.empty()) return {};
  const auto outcomes = store_.results().finish(runs);
  if (!outcomes) return outcomes.error();
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (!(*outcomes)[i].stored) continue;
    log_.error("the broker refuses a task for good; it ends as failed",
               {{"task_id", runs[i].id.str()},
                {"task", runs[i].name},
                {"queue", runs[i].queue.str()},
                {"reason", runs[i].result}});
  }
  return {};
}

Result<void> Enqueuer::publish(std::span<const OutgoingMessage> messages) {
  auto published = broker_.publish(messages);
  const bool failed = published.has_error();
  if (failed && published.error().code == Errc::Invalid) return published;  // no outage
  if (publishing_fails_.exchange(failed) == failed) return published;
  if (failed) {
    log_.warn("accepted tasks wait in the outbox: the broker did not take them",
              {{"tasks", messages.size()}, {"error", published.error().what}});
  } else {
    log_.info("the broker takes tasks again");
  }
  return published;
}

}  // namespace umbel
