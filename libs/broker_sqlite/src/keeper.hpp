// The housekeeping of one opened broker, on a thread: renews the leases of its consumers and
// mailboxes, gives back what consumers without a valid lease held and sweeps such mailboxes away
// (whoever's they were), trims the event stream.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "connection.hpp"
#include "control_tables.hpp"
#include "leases.hpp"
#include "queue_tables.hpp"
#include "umbel/base/log.hpp"
#include "umbel/sqlite/database.hpp"
#include "wake.hpp"

namespace umbel::broker_sqlite {

class Keeper {
 public:
  Keeper(std::unique_ptr<Connection> connection, const Leases& leases, const WakeFolder& wake,
         sqlite::Damage& damage, const Log& log);

  // Thread-safe.
  void add(ConsumerId consumer);
  void remove(ConsumerId consumer);
  void add_mailbox(MailboxId mailbox);
  void remove_mailbox(MailboxId mailbox);

 private:
  void run(const std::stop_token& stop);
  [[nodiscard]] Result<void> round(bool trusted, const std::stop_token& stop);
  void renew(const std::vector<ConsumerId>& consumers, const std::vector<MailboxId>& mailboxes);
  // `begun`: when the round began, before it renewed; microseconds of the steady clock.
  void reap(std::int64_t begun);
  void trim(const std::stop_token& stop);

  std::unique_ptr<Connection> connection_;  // the thread's
  const Leases& leases_;
  const WakeFolder& wake_;
  sqlite::Damage& damage_;
  const Log& log_;
  std::mutex mutex_;
  std::condition_variable_any wake_up_;
  std::set<ConsumerId> consumers_;
  std::set<MailboxId> mailboxes_;
  std::jthread thread_;
};

}  // namespace umbel::broker_sqlite
