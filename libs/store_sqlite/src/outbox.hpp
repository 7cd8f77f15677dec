// Acceptance and the outbox.
#pragma once

#include "store_file.hpp"
#include "umbel/store/outbox.hpp"

namespace umbel::store_sqlite {

// Writes one message into the outbox under `id` (see take_numbers). Inside a write transaction.
void insert_into_outbox(Connection& connection, OutboxId id, const AcceptedTask& task, WallTime at);

// Numbers for a transaction's rows, taken together at the first need. Those that are not used stay
// unused.
class RowNumbers {
 public:
  RowNumbers(Connection& connection, std::size_t most) : connection_{connection}, most_{most} {}
  OutboxId next();

 private:
  Connection& connection_;
  const std::size_t most_;
  OutboxId next_ = 0;
};

// Makes the task ours, with a message in the outbox unless its id is known already. Inside a write
// transaction.
[[nodiscard]] std::optional<OutboxId> accept_task(Connection& connection, const AcceptedTask& task,
                                                  WallTime at, RowNumbers& numbers);

class SqliteOutbox final : public Outbox {
 public:
  explicit SqliteOutbox(StoreFile& file) : file_{file} {}
  [[nodiscard]] Result<AcceptedRows> accept(const Acceptance& acceptance) override;
  [[nodiscard]] Result<std::vector<Result<AcceptedRows>>> accept_each(
      std::span<const Acceptance> acceptances) override;
  [[nodiscard]] Result<std::vector<OutboxRow>> unpublished(WallTime before, std::size_t limit,
                                                           std::optional<WallTime> after) override;
  [[nodiscard]] Result<void> clear(std::span<const OutboxId> rows) override;

 private:
  StoreFile& file_;
};

}  // namespace umbel::store_sqlite
