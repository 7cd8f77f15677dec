// Addresses of submissions: an id comes out, or a short refusal; a foreign host never passes.
#include "fuzz_one.hpp"
#include "listing.hpp"
#include "permalink.hpp"

namespace umbel::fuzz {

void fuzz_one(std::span<const std::uint8_t> input) {
  const std::string text = text_of(input, 4096);
  const std::string api = "http://127.0.0.1:8090";
  const auto id = reddit::submission_id(text, api);
  if (!id) {
    require(id.error().code == Errc::Invalid && id.error().what.size() < 1000, "a refusal is short",
            id.error().what);
    return;
  }
  require(reddit::is_id(*id), "an id is of digits and small letters", *id);
  for (const std::string& form :
       {"/comments/" + *id, "/r/x/comments/" + *id + "/title/",
        "https://old.reddit.com/comments/" + *id + "?utm=1#c",
        "https://www.reddit.com/user/x/comments/" + *id + ".json", api + "/comments/" + *id}) {
    const auto again = reddit::submission_id(form, api);
    require(again && *again == *id, "every form gives the same id", form);
  }
  const auto host = text.find("://");
  if (host != std::string::npos) {
    const auto inner = text.substr(host + 3, text.find_first_of("/?#", host + 3) - host - 3);
    std::string lower;
    for (const char c : inner) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    require(lower.find("reddit.com") != std::string::npos ||
                lower.find("127.0.0.1") != std::string::npos || text.find_first_of("/?#") < host,
            "a foreign host is refused", text);
  }
}

}  // namespace umbel::fuzz
