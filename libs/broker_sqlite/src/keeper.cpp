#include "keeper.hpp"

#include <algorithm>
#include <utility>

#include "event_tables.hpp"
#include "umbel/sqlite/database.hpp"

namespace umbel::broker_sqlite {
namespace {

constexpr std::size_t kTrimmedAtOnce = 500;  // bounds how long the write lock is held
constexpr std::chrono::milliseconds kShortWait{50};

}  // namespace

Keeper::Keeper(std::unique_ptr<Connection> connection, const Leases& leases, const WakeFolder& wake,
               sqlite::Damage& damage, const Log& log)
    : connection_{std::move(connection)},
      leases_{leases},
      wake_{wake},
      damage_{damage},
      log_{log},
      thread_{[this](const std::stop_token& stop) { run(stop); }} {}

void Keeper::add(ConsumerId consumer) {
  const std::lock_guard lock{mutex_};
  consumers_.insert(consumer);
}

void Keeper::remove(ConsumerId consumer) {
  const std::lock_guard lock{mutex_};
  consumers_.erase(consumer);
}

void Keeper::add_mailbox(MailboxId mailbox) {
  const std::lock_guard lock{mutex_};
  mailboxes_.insert(mailbox);
}

void Keeper::remove_mailbox(MailboxId mailbox) {
  const std::lock_guard lock{mutex_};
  mailboxes_.erase(mailbox);
}

void Keeper::run(const std::stop_token& stop) {
  bool failing = false;
  auto last = leases_.now().now;
  while (!stop.stop_requested()) {
    const auto now = leases_.now().now;
    const bool overslept = std::chrono::microseconds{now - last} > 2 * leases_.renewal();
    last = now;
    const auto done = round(!overslept && !failing, stop);
    if (done && std::exchange(failing, false)) log_.info("broker housekeeping works again");
    if (!done && !std::exchange(failing, true)) {
      log_.warn("broker housekeeping failed, leases may run out", {{"reason", done.error().what}});
    }
    std::unique_lock lock{mutex_};
    wake_up_.wait_for(lock, stop, leases_.renewal(), [] { return false; });
  }
}

Result<void> Keeper::round(bool trusted, const std::stop_token& stop) {
  std::vector<ConsumerId> ours;
  std::vector<MailboxId> mailboxes;
  {
    const std::lock_guard lock{mutex_};
    ours.assign(consumers_.begin(), consumers_.end());
    mailboxes.assign(mailboxes_.begin(), mailboxes_.end());
  }
  const auto begun = leases_.now().now;
  try {
    if (auto followed = connection_->follow(); !followed) return followed.error();
    if (!ours.empty() || !mailboxes.empty()) renew(ours, mailboxes);
    // Whoever stood still, or could not write, was perhaps not alone (a paused container, a file
    // that was locked): the others renew first.
    if (trusted) reap(begun);
    trim(stop);
  } catch (const SQLite::Exception& failure) {
    auto error = sqlite::to_error(failure, "keep house in " + connection_->path());
    damage_.note(error);
    return error;
  }
  return {};
}

void Keeper::renew(const std::vector<ConsumerId>& consumers,
                   const std::vector<MailboxId>& mailboxes) {
  sqlite::WriteTransaction transaction{connection_->database()};
  for (const auto consumer : consumers) {
    renew_lease(*connection_, consumer, leases_.end_of_new());
  }
  for (const auto mailbox : mailboxes) {
    renew_mailbox(*connection_, mailbox, leases_.end_of_new());
  }
  transaction.commit();
}

void Keeper::reap(std::int64_t begun) {
  if (expired_consumers(*connection_, leases_.now()).empty() &&
      expired_mailboxes(*connection_, leases_.now()).empty()) {
    return;
  }
  std::vector<QueueId> queues;
  std::vector<std::string> dead;
  std::vector<std::string> waiting;
  {
    const auto asked = leases_.now().now;
    sqlite::WriteTransaction transaction{connection_->database()};
    // The same for who had to wait: those who live are in line behind us, to renew.
    const auto time = leases_.now();
    const auto waited = std::chrono::microseconds{time.now - asked};
    if (waited > std::max<std::chrono::microseconds>(kShortWait, leases_.renewal() / 8)) return;
    // And for who stood still since it renewed: what it renewed has run out too.
    if (std::chrono::microseconds{time.now - begun} > 2 * leases_.renewal()) return;
    for (const auto consumer : expired_consumers(*connection_, time)) {
      dead.push_back(wake_name(*connection_, consumer));
      const auto touched = remove_consumer(*connection_, consumer);
      queues.insert(queues.end(), touched.begin(), touched.end());
    }
    for (const auto mailbox : expired_mailboxes(*connection_, time)) {
      broker_sqlite::remove_mailbox(*connection_, mailbox);
    }
    waiting = wake_names(*connection_, queues);
    transaction.commit();
  }
  if (!dead.empty()) {
    log_.warn("took messages back from consumers that went silent", {{"consumers", dead.size()}});
  }
  // Not unlinked here: one that merely stood still has its socket again with its new lease.
  wake_.wake(dead);
  wake_.wake(waiting);
}

void Keeper::trim(const std::stop_token& stop) {
  while (!stop.stop_requested() && can_trim_events(*connection_)) {
    sqlite::WriteTransaction transaction{connection_->database()};
    static_cast<void>(trim_events(*connection_, kTrimmedAtOnce));
    transaction.commit();
  }
}

}  // namespace umbel::broker_sqlite
