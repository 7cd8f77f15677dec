// Acceptance and the outbox.
#pragma once

#include "store_file.hpp"
#include "umbel/store/outbox.hpp"

namespace umbel::store_sqlite {

// Writes one message into the outbox under `id` (see take_numbers). Inside a write transaction.
void insert_into_outbox(Connection& connection, OutboxId id, const AcceptedTask& task, WallTime at);

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
