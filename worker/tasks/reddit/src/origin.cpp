#include "origin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace umbel::reddit {
namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7F || c == '\\';
  });
}

bool is_host(std::string_view host) {
  return !host.empty() && host.size() <= 253 &&
         std::all_of(host.begin(), host.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '.' || c == '-'; });
}

bool is_port(std::string_view port) {
  return !port.empty() && port.size() <= 5 &&
         std::all_of(port.begin(), port.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::string without_fragment(std::string_view target) {
  return std::string{target.substr(0, target.find('#'))};
}

}  // namespace

std::string Address::origin() const {
  const std::string_view standard = scheme == "https" ? "443" : "80";
  return fmt::format("{}://{}:{}", scheme, host, port.empty() ? standard : std::string_view{port});
}

std::string Address::url() const {
  return fmt::format("{}://{}{}{}{}", scheme, host, port.empty() ? "" : ":", port, target);
}

std::optional<Address> address_of(std::string_view url) {
  if (!is_plain(url)) return std::nullopt;
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  Address address;
  address.scheme = lower(url.substr(0, scheme_end));
  if (address.scheme != "http" && address.scheme != "https") return std::nullopt;
  url.remove_prefix(scheme_end + 3);
  const auto authority_end = std::min(url.find_first_of("/?#"), url.size());
  const std::string_view authority = url.substr(0, authority_end);
  const auto colon = std::min(authority.find(':'), authority.size());
  address.host = lower(authority.substr(0, colon));
  if (!is_host(address.host)) return std::nullopt;
  if (colon < authority.size()) {
    address.port = authority.substr(colon + 1);
    if (!is_port(address.port)) return std::nullopt;
  }
  address.target = without_fragment(url.substr(authority_end));
  if (!address.target.starts_with('/')) address.target.insert(0, "/");
  return address;
}

std::optional<Address> resolved(const Address& from, std::string_view location) {
  if (location.empty() || !is_plain(location)) return std::nullopt;
  if (location.starts_with("//")) return address_of(fmt::format("{}:{}", from.scheme, location));
  Address to = from;
  if (location.starts_with('/')) {
    to.target = without_fragment(location);
    return to;
  }
  if (location.starts_with('?')) {
    to.target = from.target.substr(0, from.target.find('?')) + without_fragment(location);
    return to;
  }
  return address_of(location);
}

bool is_reddit_host(std::string_view host) {
  return host == "reddit.com" || host.ends_with(".reddit.com");
}

bool may_follow(const Address& from, const Address& to) {
  if (from.origin() == to.origin()) return true;
  return to.scheme == "https" && is_reddit_host(to.host) && is_reddit_host(from.host);
}

}  // namespace umbel::reddit
