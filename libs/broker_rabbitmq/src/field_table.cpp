#include "field_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <span>

#include "umbel/base/text.hpp"
#include "umbel/celery/json.hpp"

namespace umbel::broker_rabbitmq {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestName = 255;
constexpr int kDeepest = 64;

bool tells_of_death(std::string_view name) {
  return name == "x-death" || name.starts_with("x-first-death-") ||
         name.starts_with("x-last-death-");
}

class Writer {
 public:
  explicit Writer(std::pmr::memory_resource& memory) : memory_{memory} {}

  Result<amqp_table_t> table(const json::object& object) {
    auto* entries = room<amqp_table_entry_t>(object.size());
    int count = 0;
    for (const auto& member : object) {
      const std::string_view name{member.key().data(), member.key().size()};
      if (tells_of_death(name)) continue;
      if (name.size() > kLongestName) {
        return invalid(fmt::format("message headers: the name `{}` is longer than AMQP's {} bytes",
                                   shortened(name, 60), kLongestName));
      }
      auto value = field(member.value());
      if (!value) return value.error();
      entries[count] = {copied(name), *value};
      ++count;
    }
    return amqp_table_t{count, entries};
  }

 private:
  template <class T>
  T* room(std::size_t count) {
    auto* place =
        static_cast<T*>(memory_.allocate(sizeof(T) * std::max<std::size_t>(count, 1), alignof(T)));
    return place;
  }

  amqp_bytes_t copied(std::string_view text) {
    auto* place = room<char>(text.size());
    std::memcpy(place, text.data(), text.size());
    return {text.size(), place};
  }

  Result<amqp_field_value_t> field(const json::value& value) {
    amqp_field_value_t out{};
    switch (value.kind()) {
      case json::kind::null:
        out.kind = AMQP_FIELD_KIND_VOID;
        break;
      case json::kind::bool_:
        out.kind = AMQP_FIELD_KIND_BOOLEAN;
        out.value.boolean = value.get_bool() ? 1 : 0;
        break;
      case json::kind::int64:
        integer(out, value.get_int64());
        break;
      case json::kind::uint64:  // only what no int64 can hold
        out.kind = AMQP_FIELD_KIND_F64;
        out.value.f64 = static_cast<double>(value.get_uint64());
        break;
      case json::kind::double_:
        out.kind = AMQP_FIELD_KIND_F64;
        out.value.f64 = value.get_double();
        break;
      case json::kind::string:
        out.kind = AMQP_FIELD_KIND_UTF8;
        out.value.bytes = copied({value.get_string().data(), value.get_string().size()});
        break;
      case json::kind::array: {
        const auto& array = value.get_array();
        auto* entries = room<amqp_field_value_t>(array.size());
        for (std::size_t i = 0; i < array.size(); ++i) {
          auto each = field(array[i]);
          if (!each) return each.error();
          entries[i] = *each;
        }
        out.kind = AMQP_FIELD_KIND_ARRAY;
        out.value.array = {static_cast<int>(array.size()), entries};
        break;
      }
      case json::kind::object: {
        auto inner = table(value.get_object());
        if (!inner) return inner.error();
        out.kind = AMQP_FIELD_KIND_TABLE;
        out.value.table = *inner;
        break;
      }
    }
    return out;
  }

  // As py-amqp does; it reads `L` as a signed number.
  static void integer(amqp_field_value_t& out, std::int64_t value) {
    if (value >= std::numeric_limits<std::int32_t>::min() &&
        value <= std::numeric_limits<std::int32_t>::max()) {
      out.kind = AMQP_FIELD_KIND_I32;
      out.value.i32 = static_cast<std::int32_t>(value);
    } else {
      out.kind = AMQP_FIELD_KIND_U64;
      out.value.u64 = std::bit_cast<std::uint64_t>(value);
    }
  }

  std::pmr::memory_resource& memory_;
};

void append(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value < 0 ? "-Infinity" : "Infinity";
  } else {
    std::array<char, 32> text{};
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
    const std::string_view digits{text.data(), static_cast<std::size_t>(end - text.data())};
    out += digits;
    if (digits.find_first_of(".en") == std::string_view::npos) out += ".0";
  }
}

void append(std::string& out, std::int64_t value) {
  const fmt::format_int digits{value};
  out.append(digits.data(), digits.size());
}

// Nearly every text is plain, and a message has some thirty.
void append_text(std::string& out, std::string_view text) {
  const bool plain = std::ranges::all_of(
      text, [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  if (!plain) {
    out += json_quoted(text);
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

void append(std::string& out, const amqp_table_t& table, int depth, bool without_deaths);

void append(std::string& out, const amqp_field_value_t& field, int depth) {
  switch (static_cast<char>(field.kind)) {
    case AMQP_FIELD_KIND_BOOLEAN:
      out += field.value.boolean != 0 ? "true" : "false";
      return;
    case AMQP_FIELD_KIND_I8:
      return append(out, std::int64_t{field.value.i8});
    case AMQP_FIELD_KIND_U8:
      return append(out, std::int64_t{field.value.u8});
    case AMQP_FIELD_KIND_I16:
      return append(out, std::int64_t{field.value.i16});
    case AMQP_FIELD_KIND_U16:
      return append(out, std::int64_t{field.value.u16});
    case AMQP_FIELD_KIND_I32:
      return append(out, std::int64_t{field.value.i32});
    case AMQP_FIELD_KIND_U32:
      return append(out, std::int64_t{field.value.u32});
    case AMQP_FIELD_KIND_I64:
      return append(out, field.value.i64);
    case AMQP_FIELD_KIND_U64:
    case AMQP_FIELD_KIND_TIMESTAMP:
      return append(out, std::bit_cast<std::int64_t>(field.value.u64));
    case AMQP_FIELD_KIND_F32:
      return append(out, static_cast<double>(field.value.f32));
    case AMQP_FIELD_KIND_F64:
      return append(out, field.value.f64);
    case AMQP_FIELD_KIND_DECIMAL:
      return append(out, static_cast<double>(field.value.decimal.value) /
                             std::pow(10.0, static_cast<double>(field.value.decimal.decimals)));
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
      append_text(out, view(field.value.bytes));
      return;
    case AMQP_FIELD_KIND_ARRAY: {
      if (depth >= kDeepest) break;
      out += '[';
      for (int i = 0; i < field.value.array.num_entries; ++i) {
        if (i > 0) out += ", ";
        append(out, field.value.array.entries[i], depth + 1);
      }
      out += ']';
      return;
    }
    case AMQP_FIELD_KIND_TABLE:
      if (depth >= kDeepest) break;
      return append(out, field.value.table, depth + 1, false);
    default:
      break;
  }
  out += "null";
}

void append(std::string& out, const amqp_table_t& table, int depth, bool without_deaths) {
  out += '{';
  bool first = true;
  for (int i = 0; i < table.num_entries; ++i) {
    const auto& entry = table.entries[i];
    if (without_deaths && tells_of_death(view(entry.key))) continue;
    if (!first) out += ", ";
    first = false;
    append_text(out, view(entry.key));
    out += ": ";
    append(out, entry.value, depth);
  }
  out += '}';
}

}  // namespace

Result<amqp_table_t> to_table(std::string_view text, std::pmr::memory_resource& memory) {
  if (text.empty() || text == "{}") return amqp_table_t{0, nullptr};
  const auto parsed = celery::parse_json(text);
  if (!parsed) return invalid("message headers: " + parsed.error().what);
  if (!parsed->is_object()) return invalid("message headers: not a JSON object");
  return Writer{memory}.table(parsed->get_object());
}

std::string to_json(const amqp_table_t& table, bool without_deaths) {
  std::string out;
  append(out, table, 0, without_deaths);
  return out;
}

amqp_bytes_t bytes_of(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}

amqp_table_entry_t integer_field(const char* name, std::int32_t value) {
  amqp_table_entry_t entry{bytes_of(name), {}};
  entry.value.kind = AMQP_FIELD_KIND_I32;
  entry.value.value.i32 = value;
  return entry;
}

amqp_table_entry_t text_field(const char* name, const char* value) {
  amqp_table_entry_t entry{bytes_of(name), {}};
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = bytes_of(value);
  return entry;
}

amqp_table_entry_t flag_field(const char* name, bool value) {
  amqp_table_entry_t entry{bytes_of(name), {}};
  entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  entry.value.value.boolean = value ? 1 : 0;
  return entry;
}

}  // namespace umbel::broker_rabbitmq
