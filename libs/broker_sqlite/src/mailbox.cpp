#include "mailbox.hpp"

#include <array>
#include <optional>
#include <utility>

#include "umbel/base/ids.hpp"
#include "umbel/sqlite/database.hpp"

namespace umbel::broker_sqlite {
namespace {

// As Celery calls the exchange of replies: requests that people read look alike on every engine.
constexpr const char* kReplyExchange = "reply.celery.pidbox";

class SqliteControlInbox final : public ControlInbox {
 public:
  explicit SqliteControlInbox(std::unique_ptr<Mailbox> mailbox) : mailbox_{std::move(mailbox)} {}
  Result<std::vector<Message>> next(std::size_t max, std::chrono::milliseconds limit,
                                    std::stop_token stop) override {
    return mailbox_->next(max, limit, std::move(stop));
  }

 private:
  const std::unique_ptr<Mailbox> mailbox_;
};

class SqliteReplyBox final : public ReplyBox {
 public:
  explicit SqliteReplyBox(std::unique_ptr<Mailbox> mailbox) : mailbox_{std::move(mailbox)} {}
  [[nodiscard]] ReplyAddress address() const override { return {kReplyExchange, mailbox_->name()}; }
  Result<std::vector<Message>> next(std::size_t max, std::chrono::milliseconds limit,
                                    std::stop_token stop) override {
    return mailbox_->next(max, limit, std::move(stop));
  }

 private:
  const std::unique_ptr<Mailbox> mailbox_;
};

}  // namespace

Result<std::unique_ptr<ControlInbox>> open_control_inbox(std::shared_ptr<Core> core,
                                                         const std::string& node) {
  if (node.empty()) return invalid("control inbox: the node's name is empty");
  auto mailbox = Mailbox::open(std::move(core), MailboxKind::Control, node);
  if (!mailbox) return mailbox.error();
  return std::unique_ptr<ControlInbox>{std::make_unique<SqliteControlInbox>(std::move(*mailbox))};
}

Result<std::unique_ptr<ReplyBox>> open_reply_box(std::shared_ptr<Core> core) {
  auto mailbox = Mailbox::open(std::move(core), MailboxKind::Reply, random_uuid());
  if (!mailbox) return mailbox.error();
  return std::unique_ptr<ReplyBox>{std::make_unique<SqliteReplyBox>(std::move(*mailbox))};
}

Result<std::unique_ptr<Mailbox>> Mailbox::open(std::shared_ptr<Core> core, MailboxKind kind,
                                               std::string name) {
  auto connection = core->connect();
  if (!connection) return connection.error();
  std::unique_ptr<Mailbox> mailbox{
      new Mailbox{std::move(core), kind, std::move(name), std::move(*connection)}};
  try {
    const std::lock_guard lock{mailbox->mutex_};
    mailbox->register_anew();
  } catch (const SQLite::Exception& failure) {
    return mailbox->core_->fault(failure, "open a mailbox");
  }
  return mailbox;
}

Mailbox::Mailbox(std::shared_ptr<Core> core, MailboxKind kind, std::string name,
                 std::unique_ptr<Connection> connection)
    : core_{std::move(core)},
      kind_{kind},
      name_{std::move(name)},
      socket_{core_->wake},
      connection_{std::move(connection)} {}

Mailbox::~Mailbox() {
  const std::lock_guard lock{mutex_};
  if (id_ == 0) return;
  core_->keeper.remove_mailbox(id_);
  try {
    sqlite::WriteTransaction transaction{connection_->database()};
    broker_sqlite::remove_mailbox(*connection_, id_);
    transaction.commit();
  } catch (const SQLite::Exception& failure) {
    core_->log.debug("mailbox could not be closed and goes when its lease ends",
                     {{"mailbox", name_}, {"reason", core_->fault(failure, "leave").what}});
  }
}

void Mailbox::register_anew() {
  MailboxId fresh = 0;
  {
    sqlite::WriteTransaction transaction{connection_->database()};
    fresh = add_mailbox(*connection_, kind_, name_, socket_.name(), core_->leases.boot(),
                        core_->leases.end_of_new());
    transaction.commit();
  }
  if (id_ != 0) core_->keeper.remove_mailbox(id_);
  id_ = fresh;
  core_->keeper.add_mailbox(id_);
}

Result<std::vector<Message>> Mailbox::next(std::size_t max, std::chrono::milliseconds limit,
                                           std::stop_token stop) {
  std::optional<Wait> wait;
  if (stop.stop_requested()) return std::vector<Message>{};
  for (;;) {
    socket_.drain();
    try {
      const std::lock_guard lock{mutex_};
      if (auto followed = core_->follow(*connection_); !followed) return followed.error();
      auto taken = take(max);
      if (!taken.empty()) return taken;
    } catch (const SQLite::Exception& failure) {
      return core_->fault(failure, "read a mailbox");
    }
    if (!wait) wait.emplace(limit, stop);
    if (max == 0 || wait->over()) return std::vector<Message>{};
    wait->for_any(std::array{socket_.fd()}, kPollInterval);
  }
}

std::vector<Message> Mailbox::take(std::size_t max) {
  if (!has_mailbox(*connection_, id_)) {
    core_->log.warn("mailbox had lost its lease, what was sent meanwhile is lost",
                    {{"mailbox", name_}});
    register_anew();
    return {};
  }
  if (!has_mail(*connection_, id_)) return {};
  sqlite::WriteTransaction transaction{connection_->database()};
  auto taken = take_mail(*connection_, id_, max);
  transaction.commit();
  return taken;
}

}  // namespace umbel::broker_sqlite
