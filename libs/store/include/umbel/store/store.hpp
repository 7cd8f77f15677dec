// One engine's set of stores. The parts are small so that each user names what it needs; an engine
// keeps them in one place, because acceptance touches several of them in one transaction.
#pragma once

#include "umbel/store/audit_log.hpp"
#include "umbel/store/leases.hpp"
#include "umbel/store/outbox.hpp"
#include "umbel/store/result_store.hpp"
#include "umbel/store/retention.hpp"
#include "umbel/store/schedule_book.hpp"
#include "umbel/store/submissions.hpp"
#include "umbel/store/task_catalogue.hpp"
#include "umbel/store/tick_ledger.hpp"

namespace umbel {

// Owns its parts; they live as long as it does.
class Store {
 public:
  virtual ~Store() = default;
  virtual Outbox& outbox() = 0;
  virtual ResultStore& results() = 0;
  virtual SubmissionStore& submissions() = 0;
  virtual TaskCatalogue& catalogue() = 0;
  virtual TickLedger& ticks() = 0;
  virtual ScheduleBook& schedules() = 0;
  virtual AuditLog& audit() = 0;
  virtual Leases& leases() = 0;
  virtual SharedValues& shared() = 0;
  virtual StoreRetention& retention() = 0;
  // Whether the store can be read and written now; for /readyz.
  [[nodiscard]] virtual Result<void> ping() = 0;
};

}  // namespace umbel
