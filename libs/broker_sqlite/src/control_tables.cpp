#include "control_tables.hpp"

#include <optional>

namespace umbel::broker_sqlite {
namespace {

std::int64_t column_of(MailboxKind kind) { return static_cast<std::int64_t>(kind); }

struct Addressee {
  MailboxId mailbox = 0;
  std::int64_t number = 0;  // of the message, in it
  std::string wake;
};

void put(Connection& connection, const Addressee& to, const Message& message, std::size_t most) {
  std::optional<std::int64_t> expires;
  if (message.expires) expires = to_micros(*message.expires);
  connection.run(
      "INSERT INTO mail (mailbox, number, priority, expires, content_type, content_encoding, "
      "correlation_id, reply_to, headers, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      to.mailbox, to.number, message.priority, expires, message.content_type,
      message.content_encoding, message.correlation_id, message.reply_to, Borrowed{message.headers},
      Borrowed{message.body});
  connection.run("DELETE FROM mail WHERE mailbox = ? AND number <= ?", to.mailbox,
                 to.number - static_cast<std::int64_t>(most));
}

std::vector<std::string> put(Connection& connection, const std::vector<Addressee>& all,
                             const Message& message, std::size_t most) {
  std::vector<std::string> wakes;
  for (const auto& to : all) {
    put(connection, to, message, most);
    wakes.push_back(to.wake);
  }
  return wakes;
}

// Gives out a number in each.
std::vector<Addressee> addressees(Query query) {
  std::vector<Addressee> all;
  while (query.step()) all.push_back({query.integer(0), query.integer(1), query.text(2)});
  return all;
}

}  // namespace

MailboxId add_mailbox(Connection& connection, MailboxKind kind, const std::string& name,
                      const std::string& wake, const std::string& boot, std::int64_t expires) {
  connection.run("INSERT INTO mailbox (kind, name, wake, boot, expires) VALUES (?, ?, ?, ?, ?)",
                 column_of(kind), name, wake, boot, expires);
  return connection.database().getLastInsertRowid();
}

bool has_mailbox(Connection& connection, MailboxId mailbox) {
  return connection.query("SELECT 1 FROM mailbox WHERE id = ?", mailbox).step();
}

void remove_mailbox(Connection& connection, MailboxId mailbox) {
  connection.run("DELETE FROM mail WHERE mailbox = ?", mailbox);
  connection.run("DELETE FROM mailbox WHERE id = ?", mailbox);
}

void renew_mailbox(Connection& connection, MailboxId mailbox, std::int64_t expires) {
  connection.run("UPDATE mailbox SET expires = ? WHERE id = ?", expires, mailbox);
}

std::vector<MailboxId> expired_mailboxes(Connection& connection, const LeaseTime& time) {
  auto query = connection.query("SELECT id FROM mailbox WHERE boot <> ? OR expires <= ?", time.boot,
                                time.now);
  std::vector<MailboxId> expired;
  while (query.step()) expired.push_back(query.integer(0));
  return expired;
}

std::vector<std::string> put_everywhere(Connection& connection, const Message& message,
                                        std::size_t most) {
  return put(connection,
             addressees(connection.query("UPDATE mailbox SET next_number = next_number + 1 "
                                         "WHERE kind = ? RETURNING id, next_number - 1, wake",
                                         column_of(MailboxKind::Control))),
             message, most);
}

std::vector<std::string> put_reply(Connection& connection, const std::string& name,
                                   const Message& message, std::size_t most) {
  return put(
      connection,
      addressees(connection.query("UPDATE mailbox SET next_number = next_number + 1 "
                                  "WHERE kind = ? AND name = ? RETURNING id, next_number - 1, wake",
                                  column_of(MailboxKind::Reply), name)),
      message, most);
}

bool has_mail(Connection& connection, MailboxId mailbox) {
  return connection.query("SELECT 1 FROM mail WHERE mailbox = ? LIMIT 1", mailbox).step();
}

std::vector<Message> take_mail(Connection& connection, MailboxId mailbox, std::size_t most) {
  std::vector<Message> taken;
  std::int64_t last = 0;
  {
    auto query = connection.query(
        "SELECT number, priority, expires, content_type, content_encoding, correlation_id, "
        "reply_to, headers, body FROM mail WHERE mailbox = ? ORDER BY number LIMIT ?",
        mailbox, static_cast<std::int64_t>(most));
    while (query.step()) {
      last = query.integer(0);
      Message message{.content_type = query.text(3),
                      .content_encoding = query.text(4),
                      .headers = query.text(7),
                      .body = query.text(8),
                      .correlation_id = query.text(5),
                      .reply_to = query.text(6),
                      .priority = static_cast<int>(query.integer(1)),
                      .expires = std::nullopt};
      if (const auto expires = query.maybe_integer(2)) message.expires = from_micros(*expires);
      taken.push_back(std::move(message));
    }
  }
  if (!taken.empty()) {
    connection.run("DELETE FROM mail WHERE mailbox = ? AND number <= ?", mailbox, last);
  }
  return taken;
}

}  // namespace umbel::broker_sqlite
