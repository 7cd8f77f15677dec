#include "yaml_json.hpp"

#include <charconv>
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>

namespace umbel {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kStandardTags = "tag:yaml.org,2002:";

YamlMistake wrong(const YAML::Node& node, std::string reason) {
  return {node.Mark().line + 1, node.Mark().column + 1, std::move(reason)};
}

template <class... Names>
bool one_of(std::string_view text, Names... names) {
  return ((text == names) || ...);
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of(kDigits) == std::string_view::npos;
}

bool looks_like_float(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  const auto exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    auto power = text.substr(exponent + 1);
    if (!power.empty() && (power.front() == '-' || power.front() == '+')) power.remove_prefix(1);
    if (!all_digits(power)) return false;
    text = text.substr(0, exponent);
  }
  const auto point = text.find('.');
  if (point == std::string_view::npos) return all_digits(text);
  const auto whole = text.substr(0, point);
  const auto fraction = text.substr(point + 1);
  return (all_digits(whole) && (fraction.empty() || all_digits(fraction))) ||
         (whole.empty() && all_digits(fraction));
}

YamlJson integer(const YAML::Node& node, std::string_view text, int base) {
  if (text.front() == '+') text.remove_prefix(1);
  std::int64_t value = 0;
  const auto* const end = text.data() + text.size();
  if (std::from_chars(text.data(), end, value, base).ec == std::errc{}) {
    return boost::json::value(value);
  }
  return wrong(node, "the number " + node.Scalar() + " is too large; quote it to pass it as text");
}

YamlJson plain(const YAML::Node& node) {
  const std::string_view text = node.Scalar();
  if (one_of(text, "", "~", "null", "Null", "NULL")) return boost::json::value(nullptr);
  if (one_of(text, "true", "True", "TRUE")) return boost::json::value(true);
  if (one_of(text, "false", "False", "FALSE")) return boost::json::value(false);
  const auto digits = text.substr(text.front() == '-' || text.front() == '+' ? 1 : 0);
  if (all_digits(digits)) return integer(node, text, 10);
  if (text.starts_with("0x") && text.size() > 2 &&
      text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos) {
    return integer(node, text.substr(2), 16);
  }
  if (text.starts_with("0o") && text.size() > 2 &&
      text.find_first_not_of("01234567", 2) == std::string_view::npos) {
    return integer(node, text.substr(2), 8);
  }
  if (one_of(digits, ".inf", ".Inf", ".INF") || one_of(text, ".nan", ".NaN", ".NAN")) {
    return wrong(node, "JSON has no number for " + node.Scalar());
  }
  if (looks_like_float(text)) {
    double value = 0;
    const auto number = text.front() == '+' ? text.substr(1) : text;
    if (std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc{}) {
      return boost::json::value(value);
    }
    return wrong(node,
                 "the number " + node.Scalar() + " is out of range; quote it to pass it as text");
  }
  return boost::json::value(node.Scalar());
}

class Converter {
 public:
  YamlJson convert(const YAML::Node& node, int depth) {
    if (depth > kMaxYamlDepth) {
      return wrong(node, "nested more than " + std::to_string(kMaxYamlDepth) + " levels deep");
    }
    if (++values_ > kMaxYamlValues) {
      return wrong(node, "more than " + std::to_string(kMaxYamlValues) + " values");
    }
    if (node.IsScalar() && !count(node.Scalar())) return too_long(node);
    const auto& tag = node.Tag();
    if (tag.size() > 1 && !tag.starts_with(kStandardTags)) {
      return wrong(node, "the tag " + tag + " is not known; allowed are YAML's own, such as !!str");
    }
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        if (tag == "!" || tag == std::string{kStandardTags} + "str") {
          return boost::json::value(node.Scalar());
        }
        return plain(node);
      case YAML::NodeType::Sequence:
        return list(node, depth);
      case YAML::NodeType::Map:
        return object(node, depth);
      case YAML::NodeType::Null:
      case YAML::NodeType::Undefined:
        break;
    }
    return boost::json::value(nullptr);
  }

 private:
  YamlJson list(const YAML::Node& node, int depth) {
    boost::json::array array;
    for (const auto& element : node) {
      auto value = convert(element, depth + 1);
      if (!value) return value.error();
      array.push_back(std::move(*value));
    }
    return boost::json::value(std::move(array));
  }

  YamlJson object(const YAML::Node& node, int depth) {
    boost::json::object object;
    for (const auto& member : node) {
      if (!member.first.IsScalar()) return wrong(member.first, "a key that is no text");
      const auto& key = member.first.Scalar();
      if (!count(key)) return too_long(member.first);
      if (object.contains(key)) return wrong(member.first, "the key '" + key + "' is given twice");
      auto value = convert(member.second, depth + 1);
      if (!value) return value.error();
      object[key] = std::move(*value);
    }
    return boost::json::value(std::move(object));
  }

  bool count(const std::string& text) {
    bytes_ += text.size();
    return bytes_ <= kMaxYamlBytes;
  }
  static YamlMistake too_long(const YAML::Node& node) {
    return wrong(node, "more than " + std::to_string(kMaxYamlBytes) + " bytes of text");
  }

  int values_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace

void throw_exception_from_error(const YamlMistake& mistake, const boost::source_location&) {
  throw std::runtime_error{mistake.reason};  // reached only by value() on an error, that is, a bug
}

YamlJson json_from_yaml(const YAML::Node& node) { return Converter{}.convert(node, 0); }

}  // namespace umbel
