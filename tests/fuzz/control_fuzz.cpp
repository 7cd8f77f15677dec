// Remote-control requests and replies. Input: a line for the headers, then the body, which is read
// as either.
#include "fuzz_one.hpp"
#include "umbel/celery/control.hpp"

namespace umbel::fuzz {
namespace {

// NaN, which equals nothing, stands in a value; everything else must be equal.
bool has_nan(const Message& message) { return message.body.find("NaN") != std::string::npos; }

template <class T, class Encode, class Decode>
void round_trip(const Result<T>& read, Encode encode, Decode decode) {
  if (!read) {
    require(read.error().code == Errc::Invalid && !read.error().what.empty(), "a refusal says why");
    require(read.error().what.size() < 1000, "a refusal is short", read.error().what);
    return;
  }
  const Message written = encode(*read);
  const auto again = decode(written);
  require(again.has_value(), "what was written can be read", written.headers + '\n' + written.body);
  require(encode(*again) == written, "writing twice gives the same message", written.body);
  require(has_nan(written) || *again == *read, "what was written reads as it was",
          written.headers + '\n' + written.body);
}

}  // namespace

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input);
  std::string_view rest = text;
  Message message;
  message.content_type = "application/json";
  message.headers = take_line(rest);
  message.body = rest;
  round_trip(celery::decode_control_request(message), celery::encode_control_request,
             celery::decode_control_request);
  round_trip(celery::decode_control_reply(message), celery::encode_control_reply,
             celery::decode_control_reply);
}

}  // namespace umbel::fuzz
