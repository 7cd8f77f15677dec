// The event stream in tables: each operation as statements within the caller's transaction. As in
// queue_tables.hpp, all throw SQLite::Exception.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connection.hpp"
#include "umbel/broker/broker.hpp"

namespace umbel::broker_sqlite {

// Appends a batch and cuts the oldest off until the stream has at most `most_bytes`.
void append_event(Connection& connection, std::string_view body, std::int64_t now,
                  std::int64_t most_bytes);
[[nodiscard]] std::vector<EventBatch> read_events(Connection& connection, EventOffset after,
                                                  std::size_t most);
[[nodiscard]] EventOffset last_event(Connection& connection);

// Removes up to `most` batches that every subscriber has done with; answers how many. With no
// subscriber at all the stream keeps what its bound allows.
[[nodiscard]] std::size_t trim_events(Connection& connection, std::size_t most);
[[nodiscard]] bool can_trim_events(Connection& connection);  // reads only

struct Subscriber {
  EventOffset committed = 0;
  std::string wake;  // of whoever had this name before; may be dead
};

[[nodiscard]] std::optional<Subscriber> find_subscriber(Connection& connection,
                                                        const std::string& name);
// Where a subscriber that is new begins: before the oldest batch that there is.
[[nodiscard]] EventOffset stream_start(Connection& connection);
void put_subscriber(Connection& connection, const std::string& name, EventOffset committed,
                    const std::string& wake);
// Never goes back.
void commit_events(Connection& connection, const std::string& name, EventOffset offset);
// The subscriber has left; its place stays.
void forget_wake(Connection& connection, const std::string& name, const std::string& wake);
[[nodiscard]] std::vector<std::string> subscriber_wake_names(Connection& connection);

}  // namespace umbel::broker_sqlite
