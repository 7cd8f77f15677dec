#include "access.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace umbel::http {
namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

std::string without_port(std::string_view host) {
  if (host.starts_with('[')) return lower(host.substr(0, host.find(']') + 1));
  return lower(host.substr(0, host.find(':')));
}

bool is_ipv4(const std::string& host) {
  in_addr ignored{};
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1;
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host.ends_with(".localhost") || host == "[::1]" ||
         (is_ipv4(host) && host.starts_with("127."));
}

std::string without_default_port(std::string host, std::string_view port) {
  if (host.ends_with(port)) host.resize(host.size() - port.size());
  return host;
}

}  // namespace

std::optional<std::string> refuse_host(const Access& access, std::string_view host) {
  const std::string name = without_port(host);
  const auto is_allowed = [&](const std::string& allowed) {
    return allowed == "*" || lower(allowed) == name || lower(allowed) == lower(host);
  };
  if (is_loopback(name) || name == lower(access.address)) return std::nullopt;
  // Rebinding needs a name: an address typed as such is what it says.
  if (access.address == "0.0.0.0" && is_ipv4(name)) return std::nullopt;
  if (std::any_of(access.allowed_hosts.begin(), access.allowed_hosts.end(), is_allowed)) {
    return std::nullopt;
  }
  return "the Host header does not name this server; it answers to localhost, its own address, and "
         "what --allowed-hosts lists";
}

std::optional<std::string> refuse_origin(std::string_view origin, std::string_view host) {
  if (origin.empty()) return std::nullopt;
  const std::string from = lower(origin);
  const std::string here = lower(host);
  for (const auto& [scheme, port] :
       {std::pair<std::string_view, std::string_view>{"http://", ":80"}, {"https://", ":443"}}) {
    if (!from.starts_with(scheme)) continue;
    if (without_default_port(from.substr(scheme.size()), port) ==
        without_default_port(here, port)) {
      return std::nullopt;
    }
  }
  return "the Origin header names another site; only pages of this server may do this";
}

}  // namespace umbel::http
