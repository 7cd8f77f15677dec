// Seals a secret before it goes where others can read: AES-256-GCM, with a key that only those have
// who know the client's credentials.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace umbel::reddit {

// Immutable, hence thread-safe.
class Sealer {
 public:
  // Derives the key from both; slow on purpose (tens of milliseconds). Throws std::runtime_error if
  // the library fails.
  Sealer(std::string_view client_id, std::string_view client_secret);

  // `place` is bound into the seal: opened for another place, it does not open. Two seals of one
  // text differ. Throws std::runtime_error if the library fails.
  [[nodiscard]] std::string seal(std::string_view text, std::string_view place) const;
  // Nothing: not sealed with this key for this place, or changed since.
  [[nodiscard]] std::optional<std::string> open(std::string_view sealed,
                                                std::string_view place) const;

 private:
  std::array<unsigned char, 32> key_{};
};

}  // namespace umbel::reddit
