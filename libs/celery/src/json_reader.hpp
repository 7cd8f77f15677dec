// One way through Boost.JSON's parser for everything that is read here, whatever is made of it: a
// value, or events at once.
//
// A handler is what basic_parser asks for, plus `void begin(std::string_view text,
// std::span<const std::size_t> nans)`, called before each pass over a text: `nans` says where a
// zero stands for NaN. After a first pass that failed, a second one may follow over a rewritten
// text, so begin() must forget what came before.
#pragma once

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/parse_options.hpp>
#include <optional>
#include <span>
#include <string_view>

#include "python_tokens.hpp"
#include "umbel/base/result.hpp"

namespace umbel::celery {

struct JsonFault {
  boost::json::error_code code;
  std::size_t at = 0;  // byte
};

// `incomplete JSON at byte 12`, and the like.
[[nodiscard]] Error json_error(std::string_view text, const JsonFault& fault);

[[nodiscard]] boost::json::parse_options json_options();

template <class Parser>
std::optional<JsonFault> parse_once(Parser& parser, std::string_view text,
                                    std::span<const std::size_t> nans) {
  parser.reset();
  parser.handler().begin(text, nans);
  boost::json::error_code code;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), code);
  if (code) return JsonFault{code, used};
  const auto rest = text.find_first_not_of(" \t\r\n", used);
  if (rest != std::string_view::npos) {
    return JsonFault{boost::json::make_error_code(boost::json::error::extra_data), rest};
  }
  return std::nullopt;
}

// Reads the whole of `text` into the parser's handler. Nothing: well.
template <class Parser>
std::optional<JsonFault> parse_text(Parser& parser, std::string_view text,
                                    LoneSurrogates surrogates) {
  auto fault = parse_once(parser, text, {});
  if (!fault) return std::nullopt;
  const auto rewritten = rewrite_python_tokens(text, surrogates);
  return rewritten ? parse_once(parser, rewritten->text, rewritten->nans) : fault;
}

}  // namespace umbel::celery
