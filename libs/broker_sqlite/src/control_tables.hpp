// Remote control in tables: mailboxes with leases, and what lies in them. As in queue_tables.hpp,
// all throw SQLite::Exception, and what changes something runs inside a sqlite::WriteTransaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "connection.hpp"
#include "queue_tables.hpp"
#include "umbel/model/message.hpp"

namespace umbel::broker_sqlite {

using MailboxId = std::int64_t;

enum class MailboxKind : std::int64_t { Control = 0, Reply = 1 };

[[nodiscard]] MailboxId add_mailbox(Connection& connection, MailboxKind kind,
                                    const std::string& name, const std::string& wake,
                                    const std::string& boot, std::int64_t expires);
[[nodiscard]] bool has_mailbox(Connection& connection, MailboxId mailbox);
void remove_mailbox(Connection& connection, MailboxId mailbox);  // with what lies in it
void renew_mailbox(Connection& connection, MailboxId mailbox, std::int64_t expires);
[[nodiscard]] std::vector<MailboxId> expired_mailboxes(Connection& connection,
                                                       const LeaseTime& time);

// Into every control mailbox, or into the reply box of that name; answers whom to wake. A mailbox
// keeps its newest `most`.
[[nodiscard]] std::vector<std::string> put_everywhere(Connection& connection,
                                                      const Message& message, std::size_t most);
[[nodiscard]] std::vector<std::string> put_reply(Connection& connection, const std::string& name,
                                                 const Message& message, std::size_t most);

[[nodiscard]] bool has_mail(Connection& connection, MailboxId mailbox);  // reads only
// Removes the oldest, at most `most`, and answers them.
[[nodiscard]] std::vector<Message> take_mail(Connection& connection, MailboxId mailbox,
                                             std::size_t most);

}  // namespace umbel::broker_sqlite
