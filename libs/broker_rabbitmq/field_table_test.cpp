#include "field_table.hpp"

#include <amqp_framing.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace umbel::broker_rabbitmq {
namespace {

using ::testing::HasSubstr;

class FieldTable : public ::testing::Test {
 protected:
  amqp_table_t table(std::string_view json) {
    auto made = to_table(json, memory_);
    if (!made) throw std::runtime_error{made.error().what};
    return *made;
  }
  // Through the bytes of the wire and back.
  std::string over_the_wire(std::string_view json) {
    auto sent = table(json);
    std::vector<char> bytes(100'000);
    std::size_t written = 0;
    if (amqp_encode_table({bytes.size(), bytes.data()}, &sent, &written) != AMQP_STATUS_OK) {
      throw std::runtime_error{"encode"};
    }
    amqp_pool_t pool;
    init_amqp_pool(&pool, 4096);
    amqp_table_t read{};
    std::size_t at = 0;
    if (amqp_decode_table({written, bytes.data()}, &pool, &read, &at) != AMQP_STATUS_OK) {
      empty_amqp_pool(&pool);
      throw std::runtime_error{"decode"};
    }
    auto text = to_json(read, false);
    empty_amqp_pool(&pool);
    return text;
  }
  static std::string one(char kind, const auto& set) {
    amqp_table_entry_t entry{bytes_of("k"), {}};
    entry.value.kind = static_cast<std::uint8_t>(kind);
    set(entry.value.value);
    return to_json({1, &entry}, false);
  }

 private:
  std::pmr::monotonic_buffer_resource memory_;
};

TEST_F(FieldTable, WhatCeleryWritesGoesThereAndBack) {
  const std::string text =
      R"({"lang": "py", "task": "t.add", "id": "6f", "shadow": null, "group_index": 3, )"
      R"("retries": 0, "timelimit": [null, 2.5], "ignore_result": false, "stamps": {"a": ["b"]}, )"
      R"("grüße": "日本語 🌼", "empty": {}, "none": []})";
  EXPECT_EQ(over_the_wire(text), text);
}

TEST_F(FieldTable, WritesOnlyTypesThatPythonReads) {
  const auto made = table(
      R"({"s": "x", "t": true, "i": -7, "l": 5000000000, "v": null, "d": 1.5, "a": [1], "f": {}})");
  std::string kinds;
  for (int i = 0; i < made.num_entries; ++i) {
    kinds += static_cast<char>(made.entries[i].value.kind);
  }
  EXPECT_EQ(kinds, "StILVdAF");
}

TEST_F(FieldTable, LargeAndNegativeIntegersKeepTheirValue) {
  const std::string text =
      R"({"a": 2147483647, "b": 2147483648, "c": -2147483649, "d": 9223372036854775807, "e": -1})";
  EXPECT_EQ(over_the_wire(text), text);
}

TEST_F(FieldTable, FloatsStayFloats) {
  EXPECT_EQ(over_the_wire(R"({"a": 1.0, "b": 0.1, "c": 1e+300, "d": NaN, "e": -Infinity})"),
            R"({"a": 1.0, "b": 0.1, "c": 1e+300, "d": NaN, "e": -Infinity})");
}

TEST_F(FieldTable, ReadsForeignTypes) {
  EXPECT_EQ(one('s', [](auto& v) { v.i16 = -5; }), R"({"k": -5})");
  EXPECT_EQ(one('u', [](auto& v) { v.u16 = 65535; }), R"({"k": 65535})");
  EXPECT_EQ(one('b', [](auto& v) { v.i8 = -1; }), R"({"k": -1})");
  EXPECT_EQ(one('B', [](auto& v) { v.u8 = 255; }), R"({"k": 255})");
  EXPECT_EQ(one('i', [](auto& v) { v.u32 = 4294967295U; }), R"({"k": 4294967295})");
  EXPECT_EQ(one('l', [](auto& v) { v.i64 = -7; }), R"({"k": -7})");
  EXPECT_EQ(one('L', [](auto& v) { v.u64 = std::bit_cast<std::uint64_t>(std::int64_t{-7}); }),
            R"({"k": -7})");
  EXPECT_EQ(one('f', [](auto& v) { v.f32 = 0.5F; }), R"({"k": 0.5})");
  EXPECT_EQ(one('T', [](auto& v) { v.u64 = 1795350738; }), R"({"k": 1795350738})");
  EXPECT_EQ(one('D', [](auto& v) { v.decimal = {2, 125}; }), R"({"k": 1.25})");
  EXPECT_EQ(one('x', [](auto& v) { v.bytes = bytes_of("a\xff"); }), "{\"k\": \"a\xEF\xBF\xBD\"}");
  EXPECT_EQ(one('?', [](auto&) {}), R"({"k": null})");
}

TEST_F(FieldTable, NothingIsAnEmptyTable) {
  EXPECT_EQ(table("").num_entries, 0);
  EXPECT_EQ(table("{}").num_entries, 0);
  EXPECT_EQ(over_the_wire("{}"), "{}");
}

TEST_F(FieldTable, RefusesWhatIsNoTable) {
  std::pmr::monotonic_buffer_resource memory;
  for (const auto& text : {std::string{"[1]"}, std::string{"{"}, std::string{"nonsense"},
                           R"({")" + std::string(256, 'k') + R"(": 1})",
                           R"({"a":)" + std::string(100, '[') + std::string(100, ']') + "}"}) {
    const auto refused = to_table(text, memory);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, Errc::Invalid);
    EXPECT_THAT(refused.error().what, HasSubstr("message headers"));
  }
}

TEST_F(FieldTable, WhatAServerAddedToTheDeadIsNotSentAgain) {
  EXPECT_EQ(over_the_wire(R"({"x-death": [{"count": 1}], "a": 1, "x-first-death-queue": "q",)"
                          R"( "x-last-death-reason": "expired", "x-deathly": 2})"),
            R"({"a": 1, "x-deathly": 2})");
  std::array<amqp_table_entry_t, 2> entries{integer_field("x-death", 1), integer_field("a", 1)};
  EXPECT_EQ(to_json({2, entries.data()}, true), R"({"a": 1})");
  EXPECT_EQ(to_json({2, entries.data()}, false), R"({"x-death": 1, "a": 1})");
}

TEST_F(FieldTable, NestsNoDeeperThanItReads) {
  amqp_field_value_t inner{};
  inner.kind = AMQP_FIELD_KIND_VOID;
  std::vector<amqp_field_value_t> levels(200);
  const amqp_field_value_t* below = &inner;
  for (auto& level : levels) {
    level.kind = AMQP_FIELD_KIND_ARRAY;
    level.value.array = {1, const_cast<amqp_field_value_t*>(below)};
    below = &level;
  }
  amqp_table_entry_t entry{bytes_of("k"), *below};
  EXPECT_LT(to_json({1, &entry}, false).size(), 200U);
}

}  // namespace
}  // namespace umbel::broker_rabbitmq
