// One process's mailbox of remote control: a row with a lease, and a connection of its own.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "control_tables.hpp"
#include "core.hpp"
#include "umbel/broker/control_channel.hpp"

namespace umbel::broker_sqlite {

[[nodiscard]] Result<std::unique_ptr<ControlInbox>> open_control_inbox(std::shared_ptr<Core> core,
                                                                       const std::string& node);
[[nodiscard]] Result<std::unique_ptr<ReplyBox>> open_reply_box(std::shared_ptr<Core> core);

// Closed when destroyed. Thread-safe.
class Mailbox {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Mailbox>> open(std::shared_ptr<Core> core,
                                                             MailboxKind kind, std::string name);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Result<std::vector<Message>> next(std::size_t max, std::chrono::milliseconds limit,
                                                  std::stop_token stop);

 private:
  Mailbox(std::shared_ptr<Core> core, MailboxKind kind, std::string name,
          std::unique_ptr<Connection> connection);
  // Both: mutex_ is held.
  void register_anew();
  [[nodiscard]] std::vector<Message> take(std::size_t max);

  const std::shared_ptr<Core> core_;
  const MailboxKind kind_;
  const std::string name_;
  WakeSocket socket_;
  std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
  MailboxId id_ = 0;  // 0: has no row
};

}  // namespace umbel::broker_sqlite
