// Addresses that an answer sends us to: read strictly and written anew, so that what is asked is
// what was checked.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace umbel::reddit {

struct Address {
  std::string scheme, host, port;  // lower case; port empty: the scheme's
  std::string target = "/";        // path and query, without a fragment

  [[nodiscard]] std::string origin() const;  // scheme://host:port
  [[nodiscard]] std::string url() const;
};

// Nothing: no http or https address, or one with a user, with a host that is no name, or with
// characters that readers disagree about.
[[nodiscard]] std::optional<Address> address_of(std::string_view url);

// Where `location` leads from `from`.
[[nodiscard]] std::optional<Address> resolved(const Address& from, std::string_view location);

// reddit.com or below it.
[[nodiscard]] bool is_reddit_host(std::string_view host);

// Whether `from` may send us to `to`: to itself, or to one of Reddit's hosts, and never from https
// to http.
[[nodiscard]] bool may_follow(const Address& from, const Address& to);

}  // namespace umbel::reddit
