// One subscriber's reading of the event stream.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel::broker_sqlite {

class SqliteSubscription final : public EventSubscription {
 public:
  [[nodiscard]] static Result<std::unique_ptr<EventSubscription>> open(std::shared_ptr<Core> core,
                                                                       SubscribeOptions options);
  ~SqliteSubscription() override;

  [[nodiscard]] Result<std::vector<EventBatch>> next(std::size_t max,
                                                     std::chrono::milliseconds limit,
                                                     std::stop_token stop) override;
  [[nodiscard]] Result<void> commit(EventOffset offset) override;
  [[nodiscard]] Result<EventStreamFigures> figures() override;

 private:
  SqliteSubscription(std::shared_ptr<Core> core, std::string name,
                     std::unique_ptr<Connection> connection);
  // All below: mutex_ is held.
  void start(const std::optional<EventOffset>& after);  // in a write transaction
  [[nodiscard]] Result<bool> follow();
  void start_anew();  // if another file took the place of ours

  const std::shared_ptr<Core> core_;
  const std::string name_;
  WakeSocket socket_;
  mutable std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
  EventOffset position_ = 0;  // of the last batch handed out
  bool started_ = false;      // it has its row
};

}  // namespace umbel::broker_sqlite
