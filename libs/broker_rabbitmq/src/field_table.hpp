// Message headers between the text of a JSON object, as they cross the broker port, and AMQP's
// typed tables. Pure.
//
// Written are only the types that every reader understands alike (S t I L d V A F; py-amqp takes
// some of the others for something else); read is everything that a server may hand out.
#pragma once

#include <amqp.h>

#include <memory_resource>
#include <string>
#include <string_view>

#include "umbel/base/result.hpp"

namespace umbel::broker_rabbitmq {

// The table lives in `memory`. Empty text is an empty table. Invalid: not a JSON object, a name
// longer than AMQP's 255 bytes, or nested too deep. What a server adds to dead-lettered messages
// (`x-death` and its kind) is left out: sent again, it would count as a death of the new message.
[[nodiscard]] Result<amqp_table_t> to_table(std::string_view json,
                                            std::pmr::memory_resource& memory);

// JSON with `", "` and `": "`, text as UTF-8; NaN and the infinities as Python's bare tokens; bytes
// that are not UTF-8 become U+FFFD. Times become seconds since 1970. What is nested too deep is
// null. `without_deaths`: leaves out what to_table() leaves out.
[[nodiscard]] std::string to_json(const amqp_table_t& table, bool without_deaths);

// A table of our own making, for declarations: its entries point at what they were given.
[[nodiscard]] amqp_table_entry_t integer_field(const char* name, std::int32_t value);
[[nodiscard]] amqp_table_entry_t text_field(const char* name, const char* value);
[[nodiscard]] amqp_table_entry_t flag_field(const char* name, bool value);

[[nodiscard]] inline std::string_view view(const amqp_bytes_t& bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}
// Points at `text`; the library only reads what it is given to send.
[[nodiscard]] amqp_bytes_t bytes_of(std::string_view text);

}  // namespace umbel::broker_rabbitmq
