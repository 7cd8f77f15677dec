// Status and results, and the run-number rule.
#pragma once

#include "store_file.hpp"
#include "umbel/store/result_store.hpp"

namespace umbel::store_sqlite {

class SqliteResults final : public ResultStore {
 public:
  explicit SqliteResults(StoreFile& file) : file_{file} {}
  [[nodiscard]] Result<std::vector<RunState>> look_up(std::span<const TaskId> ids) override;
  [[nodiscard]] Result<std::vector<RunState>> begin(std::span<const NamedTask> tasks) override;
  [[nodiscard]] Result<std::vector<Revocation>> revoke(std::span<const NamedTask> tasks,
                                                       const std::string& result,
                                                       WallTime now) override;
  [[nodiscard]] Result<KeptArguments> arguments(const TaskId& id) override;
  [[nodiscard]] Result<RunState> begin_again(const TaskId& id, const std::string& name,
                                             const QueueName& queue) override;
  [[nodiscard]] Result<void> hand_back(std::span<const HandedBack> runs) override;
  [[nodiscard]] Result<std::vector<FinishOutcome>> finish(
      std::span<const FinishedRun> runs) override;
  [[nodiscard]] Result<StoredTask> find(const TaskId& id) override;
  [[nodiscard]] Result<std::vector<StoredTask>> finished_since(std::uint64_t after,
                                                               std::size_t limit) override;

 private:
  StoreFile& file_;
};

}  // namespace umbel::store_sqlite
