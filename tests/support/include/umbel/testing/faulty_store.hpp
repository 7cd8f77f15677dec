// A store whose every call may fail as a FaultPlan says. Thread-safe, as the store beneath.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "umbel/store/store.hpp"
#include "umbel/testing/faults.hpp"

namespace umbel::testing {

class FaultyOutbox final : public Outbox {
 public:
  FaultyOutbox(Outbox& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<AcceptedRows> accept(const Acceptance& acceptance) override {
    return plan_.run("outbox.accept", [&] { return real_.accept(acceptance); });
  }
  [[nodiscard]] Result<std::vector<Result<AcceptedRows>>> accept_each(
      std::span<const Acceptance> acceptances) override {
    return plan_.run("outbox.accept_each", [&] { return real_.accept_each(acceptances); });
  }
  [[nodiscard]] Result<std::vector<OutboxRow>> unpublished(WallTime before, std::size_t limit,
                                                           std::optional<WallTime> after) override {
    return plan_.run("outbox.unpublished", [&] { return real_.unpublished(before, limit, after); });
  }
  [[nodiscard]] Result<void> clear(std::span<const OutboxId> rows) override {
    return plan_.run("outbox.clear", [&] { return real_.clear(rows); });
  }

 private:
  Outbox& real_;
  FaultPlan& plan_;
};

class FaultyResultStore final : public ResultStore {
 public:
  FaultyResultStore(ResultStore& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<std::vector<RunState>> look_up(std::span<const TaskId> ids) override {
    return plan_.run("results.look_up", [&] { return real_.look_up(ids); });
  }
  [[nodiscard]] Result<std::vector<RunState>> begin(std::span<const NamedTask> tasks) override {
    return plan_.run("results.begin", [&] { return real_.begin(tasks); });
  }
  [[nodiscard]] Result<std::vector<Revocation>> revoke(std::span<const NamedTask> tasks,
                                                       const std::string& result,
                                                       WallTime now) override {
    return plan_.run("results.revoke", [&] { return real_.revoke(tasks, result, now); });
  }
  [[nodiscard]] Result<KeptArguments> arguments(const TaskId& id) override {
    return plan_.run("results.arguments", [&] { return real_.arguments(id); });
  }
  [[nodiscard]] Result<RunState> begin_again(const TaskId& id, const std::string& name,
                                             const QueueName& queue) override {
    return plan_.run("results.begin_again", [&] { return real_.begin_again(id, name, queue); });
  }
  [[nodiscard]] Result<void> hand_back(std::span<const HandedBack> runs) override {
    return plan_.run("results.hand_back", [&] { return real_.hand_back(runs); });
  }
  [[nodiscard]] Result<std::vector<FinishOutcome>> finish(
      std::span<const FinishedRun> runs) override {
    return plan_.run("results.finish", [&] { return real_.finish(runs); });
  }
  [[nodiscard]] Result<StoredTask> find(const TaskId& id) override {
    return plan_.run("results.find", [&] { return real_.find(id); });
  }
  [[nodiscard]] Result<std::vector<StoredTask>> finished_since(std::uint64_t after,
                                                               std::size_t limit) override {
    return plan_.run("results.finished_since", [&] { return real_.finished_since(after, limit); });
  }

 private:
  ResultStore& real_;
  FaultPlan& plan_;
};

class FaultySubmissions final : public SubmissionStore {
 public:
  FaultySubmissions(SubmissionStore& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<void> upsert(std::span<const Submission> submissions) override {
    return plan_.run("submissions.upsert", [&] { return real_.upsert(submissions); });
  }
  [[nodiscard]] Result<Submission> find(const std::string& fullname) override {
    return plan_.run("submissions.find", [&] { return real_.find(fullname); });
  }
  [[nodiscard]] Result<std::vector<Submission>> latest(std::size_t limit) override {
    return plan_.run("submissions.latest", [&] { return real_.latest(limit); });
  }
  [[nodiscard]] Result<std::uint64_t> count() override {
    return plan_.run("submissions.count", [&] { return real_.count(); });
  }
  [[nodiscard]] Result<std::vector<bool>> sighted(std::span<const std::string> fullnames) override {
    return plan_.run("submissions.sighted", [&] { return real_.sighted(fullnames); });
  }
  [[nodiscard]] Result<std::optional<WallTime>> watermark(const std::string& subreddit) override {
    return plan_.run("submissions.watermark", [&] { return real_.watermark(subreddit); });
  }

 private:
  SubmissionStore& real_;
  FaultPlan& plan_;
};

class FaultyCatalogue final : public TaskCatalogue {
 public:
  FaultyCatalogue(TaskCatalogue& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<void> upsert(std::span<const CatalogueEntry> entries,
                                    WallTime now) override {
    return plan_.run("catalogue.upsert", [&] { return real_.upsert(entries, now); });
  }
  [[nodiscard]] Result<CatalogueEntry> find(const std::string& name) override {
    return plan_.run("catalogue.find", [&] { return real_.find(name); });
  }
  [[nodiscard]] Result<std::vector<CatalogueEntry>> all() override {
    return plan_.run("catalogue.all", [&] { return real_.all(); });
  }

 private:
  TaskCatalogue& real_;
  FaultPlan& plan_;
};

class FaultyTicks final : public TickLedger {
 public:
  FaultyTicks(TickLedger& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<std::vector<ScheduleStanding>> take_up(
      std::span<const ScheduleInForce> schedules, WallTime now) override {
    return plan_.run("ticks.take_up", [&] { return real_.take_up(schedules, now); });
  }
  [[nodiscard]] Result<void> lay_down(std::span<const std::string> schedules) override {
    return plan_.run("ticks.lay_down", [&] { return real_.lay_down(schedules); });
  }
  [[nodiscard]] Result<std::optional<TickRecord>> latest(const std::string& schedule) override {
    return plan_.run("ticks.latest", [&] { return real_.latest(schedule); });
  }
  [[nodiscard]] Result<bool> record_missed(const std::string& schedule, const MissedTicks& missed,
                                           WallTime now) override {
    return plan_.run("ticks.record_missed",
                     [&] { return real_.record_missed(schedule, missed, now); });
  }
  [[nodiscard]] Result<std::vector<TickFate>> fates(const std::string& schedule,
                                                    std::size_t limit) override {
    return plan_.run("ticks.fates", [&] { return real_.fates(schedule, limit); });
  }
  [[nodiscard]] Result<std::optional<TickRecord>> of_task(const TaskId& task, WallTime from,
                                                          WallTime to) override {
    return plan_.run("ticks.of_task", [&] { return real_.of_task(task, from, to); });
  }
  [[nodiscard]] Result<TickCounts> count(const std::string& schedule, WallTime from,
                                         WallTime to) override {
    return plan_.run("ticks.count", [&] { return real_.count(schedule, from, to); });
  }
  [[nodiscard]] Result<std::vector<TickRecord>> recent(std::size_t limit) override {
    return plan_.run("ticks.recent", [&] { return real_.recent(limit); });
  }
  [[nodiscard]] Result<std::vector<ScheduleTicks>> newest_of_each() override {
    return plan_.run("ticks.newest_of_each", [&] { return real_.newest_of_each(); });
  }
  [[nodiscard]] Result<std::size_t> forget(WallTime before, std::size_t limit) override {
    return plan_.run("ticks.forget", [&] { return real_.forget(before, limit); });
  }

 private:
  TickLedger& real_;
  FaultPlan& plan_;
};

class FaultyScheduleBook final : public ScheduleBook {
 public:
  FaultyScheduleBook(ScheduleBook& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<void> publish(const std::string& scheduler,
                                     std::span<const ScheduleCard> entries, WallTime now) override {
    return plan_.run("schedules.publish", [&] { return real_.publish(scheduler, entries, now); });
  }
  [[nodiscard]] Result<bool> still_alive(const std::string& scheduler, WallTime now) override {
    return plan_.run("schedules.still_alive", [&] { return real_.still_alive(scheduler, now); });
  }
  [[nodiscard]] Result<void> leave(const std::string& scheduler) override {
    return plan_.run("schedules.leave", [&] { return real_.leave(scheduler); });
  }
  [[nodiscard]] Result<ScheduleBookPage> read(WallTime now) override {
    return plan_.run("schedules.read", [&] { return real_.read(now); });
  }
  [[nodiscard]] Result<bool> pause(const std::string& name, const std::string& reason,
                                   WallTime now) override {
    return plan_.run("schedules.pause", [&] { return real_.pause(name, reason, now); });
  }
  [[nodiscard]] Result<bool> resume(const std::string& name, WallTime now) override {
    return plan_.run("schedules.resume", [&] { return real_.resume(name, now); });
  }
  [[nodiscard]] Result<std::vector<SchedulePause>> pauses() override {
    return plan_.run("schedules.pauses", [&] { return real_.pauses(); });
  }

 private:
  ScheduleBook& real_;
  FaultPlan& plan_;
};

class FaultyAuditLog final : public AuditLog {
 public:
  FaultyAuditLog(AuditLog& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<void> add(const std::vector<AuditEntry>& entries) override {
    return plan_.run("audit.add", [&] { return real_.add(entries); });
  }
  [[nodiscard]] Result<std::vector<AuditEntry>> latest(std::size_t limit, std::uint64_t before,
                                                       const std::string& object) override {
    return plan_.run("audit.latest", [&] { return real_.latest(limit, before, object); });
  }

 private:
  AuditLog& real_;
  FaultPlan& plan_;
};

class FaultyLeases final : public Leases {
 public:
  FaultyLeases(Leases& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<bool> acquire(const std::string& name, const std::string& owner,
                                     std::chrono::milliseconds duration, WallTime now) override {
    return plan_.run("leases.acquire", [&] { return real_.acquire(name, owner, duration, now); });
  }
  [[nodiscard]] Result<void> release(const std::string& name, const std::string& owner) override {
    return plan_.run("leases.release", [&] { return real_.release(name, owner); });
  }

 private:
  Leases& real_;
  FaultPlan& plan_;
};

class FaultySharedValues final : public SharedValues {
 public:
  FaultySharedValues(SharedValues& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<std::optional<std::string>> get(const std::string& key,
                                                       WallTime now) override {
    return plan_.run("shared.get", [&] { return real_.get(key, now); });
  }
  [[nodiscard]] Result<void> put(const std::string& key, const std::string& value,
                                 WallTime expires) override {
    return plan_.run("shared.put", [&] { return real_.put(key, value, expires); });
  }
  [[nodiscard]] Result<std::int64_t> add(const std::string& key, std::int64_t delta,
                                         std::int64_t initial, WallTime expires,
                                         WallTime now) override {
    return plan_.run("shared.add", [&] { return real_.add(key, delta, initial, expires, now); });
  }
  [[nodiscard]] Result<bool> replace(const std::string& key,
                                     const std::optional<std::string>& expected,
                                     const std::string& value, WallTime expires,
                                     WallTime now) override {
    return plan_.run("shared.replace",
                     [&] { return real_.replace(key, expected, value, expires, now); });
  }

 private:
  SharedValues& real_;
  FaultPlan& plan_;
};

class FaultyRetention final : public StoreRetention {
 public:
  FaultyRetention(StoreRetention& real, FaultPlan& plan) : real_{real}, plan_{plan} {}

  [[nodiscard]] Result<Forgotten> forget(const RetentionLimits& limits, std::size_t most) override {
    return plan_.run("retention.forget", [&] { return real_.forget(limits, most); });
  }
  [[nodiscard]] Result<StoreSize> size() override {
    return plan_.run("retention.size", [&] { return real_.size(); });
  }

 private:
  StoreRetention& real_;
  FaultPlan& plan_;
};

// The real store and the plan outlive it.
class FaultyStore final : public Store {
 public:
  FaultyStore(Store& real, FaultPlan& plan)
      : real_{real},
        plan_{plan},
        outbox_{real.outbox(), plan},
        results_{real.results(), plan},
        submissions_{real.submissions(), plan},
        catalogue_{real.catalogue(), plan},
        ticks_{real.ticks(), plan},
        schedules_{real.schedules(), plan},
        audit_{real.audit(), plan},
        leases_{real.leases(), plan},
        shared_{real.shared(), plan},
        retention_{real.retention(), plan} {}

  Outbox& outbox() override { return outbox_; }
  ResultStore& results() override { return results_; }
  SubmissionStore& submissions() override { return submissions_; }
  TaskCatalogue& catalogue() override { return catalogue_; }
  TickLedger& ticks() override { return ticks_; }
  ScheduleBook& schedules() override { return schedules_; }
  AuditLog& audit() override { return audit_; }
  Leases& leases() override { return leases_; }
  SharedValues& shared() override { return shared_; }
  StoreRetention& retention() override { return retention_; }
  [[nodiscard]] Result<void> ping() override {
    return plan_.run("store.ping", [&] { return real_.ping(); });
  }

 private:
  Store& real_;
  FaultPlan& plan_;
  FaultyOutbox outbox_;
  FaultyResultStore results_;
  FaultySubmissions submissions_;
  FaultyCatalogue catalogue_;
  FaultyTicks ticks_;
  FaultyScheduleBook schedules_;
  FaultyAuditLog audit_;
  FaultyLeases leases_;
  FaultySharedValues shared_;
  FaultyRetention retention_;
};

}  // namespace umbel::testing
