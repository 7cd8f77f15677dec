// Events straight from the parser, without a JSON value in between: this is the path that thirty
// thousand events a second take.
//
// One event is a set of fields, each a view into the text wherever it needs no unescaping. `type`
// usually comes last, so fields are collected first and read when the object ends.
#pragma once

#include <array>
#include <boost/json/error.hpp>
#include <boost/json/string_view.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event_fields.hpp"
#include "umbel/model/event.hpp"

namespace umbel::celery {

// The fields of the object that is being read; the last one of a name counts, one of the wrong type
// is as if it were not there.
class RawEvent {
 public:
  void clear();
  void drop(Field field) { present_ &= ~bit(field); }

  // `text` must outlive this event; text_copied does not ask for that.
  void put_text(Field field, std::string_view text);
  // The text that was collected by append_text().
  void put_appended_text(Field field);
  void append_text(std::string_view part) { unescaped_.append(part); }
  void put_integer(Field field, std::int64_t value);
  void put_float(Field field, double value);
  void put_bool(Field field, bool value);
  void begin_loadavg() { loads_ = 0; }
  void add_load(double value);

  // The event, if it is one.
  [[nodiscard]] std::optional<Event> event() const;

 private:
  enum class Kind : std::uint8_t { Text, Unescaped, Integer, Float, Bool };
  struct Slot {
    Kind kind = Kind::Text;
    std::string_view text;
    std::size_t offset = 0;  // of an unescaped text, whose buffer may still move
    std::size_t size = 0;
    std::int64_t integer = 0;
    double number = 0;
  };
  static constexpr std::uint64_t bit(Field field) {
    return std::uint64_t{1} << static_cast<unsigned>(field);
  }
  static_assert(kFields <= 64);

  Slot& slot(Field field, Kind kind);
  [[nodiscard]] const Slot* find(Field field) const;
  [[nodiscard]] std::optional<std::string_view> text(Field field) const;
  [[nodiscard]] std::optional<std::string> copied(Field field) const;
  [[nodiscard]] std::optional<std::int64_t> integer(Field field) const;
  [[nodiscard]] std::optional<double> number(Field field) const;
  [[nodiscard]] std::optional<bool> boolean(Field field) const;
  [[nodiscard]] std::optional<std::string> signal() const;
  [[nodiscard]] std::optional<std::array<double, 3>> loadavg() const;
  [[nodiscard]] std::optional<EventOrigin> origin() const;
  [[nodiscard]] std::optional<Event> task_event(std::string_view name) const;
  [[nodiscard]] std::optional<Event> worker_event(std::string_view name) const;

  std::uint64_t present_ = 0;
  std::array<Slot, kFields> slots_{};
  std::string unescaped_;
  std::size_t unescaped_from_ = 0;
  std::array<double, 3> load_{};
  std::size_t loads_ = 0;
};

// What basic_parser calls; the names and signatures are its own.
class EventHandler {
 public:
  using Text = boost::json::string_view;
  using Code = boost::json::error_code;
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  explicit EventHandler(std::vector<Event>& out) : out_{out}, kept_{out.size()} {}

  void begin(std::string_view text, std::span<const std::size_t> nans);
  // Forgets the events of this body.
  void roll_back();
  [[nodiscard]] std::size_t skipped() const { return skipped_; }
  [[nodiscard]] bool holds_objects() const { return top_ != Top::Scalar; }

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&);
  bool on_object_end(std::size_t, Code&);
  bool on_array_begin(Code&);
  bool on_array_end(std::size_t, Code&);
  bool on_key_part(Text part, std::size_t, Code&);
  bool on_key(Text rest, std::size_t, Code&);
  bool on_string_part(Text part, std::size_t, Code&);
  bool on_string(Text rest, std::size_t total, Code&);
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t value, Text, Code&);
  bool on_uint64(std::uint64_t value, Text, Code&);
  bool on_double(double, Text raw, Code&);
  bool on_bool(bool value, Code&);
  bool on_null(Code&);
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

 private:
  enum class Top { Scalar, Object, List };

  // Whether the value that comes is a field of an event that we know.
  [[nodiscard]] bool wanted() const { return level_ == event_level_ && field_ != Field::Unknown; }
  [[nodiscard]] bool in_loadavg() const { return loadavg_ && level_ == event_level_ + 1; }
  void foreign_element();

  std::vector<Event>& out_;
  std::size_t kept_;  // events that were there before
  std::string_view text_;
  std::span<const std::size_t> nans_;
  std::size_t skipped_ = 0;
  Top top_ = Top::Scalar;
  int level_ = 0;         // open brackets
  int event_level_ = -1;  // level of the fields of the event that is open; -1: none
  Field field_ = Field::Unknown;
  bool loadavg_ = false;
  std::string key_;  // parts of a key with escapes
  RawEvent event_;
};

}  // namespace umbel::celery
