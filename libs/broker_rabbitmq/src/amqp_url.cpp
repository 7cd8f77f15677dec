#include "umbel/broker_rabbitmq/amqp_url.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "umbel/base/text.hpp"

namespace umbel {
namespace {

constexpr std::array<std::pair<std::string_view, bool>, 3> kSchemes{
    {{"amqp://", false}, {"pyamqp://", false}, {"amqps://", true}}};
constexpr std::string_view kOptions =
    "queue_type, max_priority, heartbeat, management, cacertfile, certfile, keyfile and verify";

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// Nothing: a `%` without two hexadecimal digits behind it.
std::optional<std::string> unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = hex_digit(text[i + 1]);
    const auto low = hex_digit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

std::optional<int> number(std::string_view text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < least || value > most) return std::nullopt;
  return value;
}

Error refuse(const std::string& why) { return invalid("broker URL: " + why); }

Result<void> read_option(AmqpUrl& url, std::string_view name, const std::string& value) {
  if (name == "queue_type") {
    if (value != "classic" && value != "quorum") {
      return refuse(fmt::format("queue_type is `{}`; it may be classic or quorum", value));
    }
    url.queue_type = value;
  } else if (name == "max_priority") {
    const auto most = number(value, 1, 255);
    if (!most) return refuse(fmt::format("max_priority is `{}`; it may be 1 to 255", value));
    url.max_priority = most;
  } else if (name == "heartbeat") {
    const auto seconds = number(value, 0, 3600);
    if (!seconds) return refuse(fmt::format("heartbeat is `{}`; it may be 0 to 3600 s", value));
    url.heartbeat = std::chrono::seconds{*seconds};
  } else if (name == "management") {
    if (!value.starts_with("http://") && !value.starts_with("https://")) {
      return refuse("management must be a URL that begins with http:// or https://");
    }
    url.management = value;
  } else if (name == "cacertfile") {
    url.ca_file = value;
  } else if (name == "certfile") {
    url.cert_file = value;
  } else if (name == "keyfile") {
    url.key_file = value;
  } else if (name == "verify") {
    if (value != "verify_peer" && value != "verify_none") {
      return refuse(fmt::format("verify is `{}`; it may be verify_peer or verify_none", value));
    }
    url.verify = value == "verify_peer";
  } else {
    return refuse(fmt::format("`{}` is not an option; there are {}", name, kOptions));
  }
  return {};
}

Result<void> read_options(AmqpUrl& url, std::string_view query) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto option = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (option.empty()) continue;
    const auto equals = option.find('=');
    const auto name = option.substr(0, equals);
    const auto value =
        unquoted(equals == std::string_view::npos ? std::string_view{} : option.substr(equals + 1));
    if (!value) return refuse(fmt::format("the value of `{}` has a broken %-encoding", name));
    if (const auto read = read_option(url, name, *value); !read) return read.error();
  }
  return {};
}

Result<void> read_address(AmqpHost& host, std::string_view address) {
  std::string_view port;
  if (address.starts_with('[')) {  // an IPv6 address
    const auto close = address.find(']');
    if (close == std::string_view::npos) return refuse("the address has a `[` without a `]`");
    port = address.substr(close + 1);
    address = address.substr(1, close - 1);
    if (!port.empty() && !port.starts_with(':')) return refuse("behind `]` only `:port` may stand");
    if (!port.empty()) port.remove_prefix(1);
  } else if (const auto colon = address.rfind(':'); colon != std::string_view::npos) {
    port = address.substr(colon + 1);
    address = address.substr(0, colon);
  }
  if (!address.empty()) host.host = std::string{address};
  if (!port.empty()) {
    const auto read = number(port, 1, 65535);
    if (!read) return refuse(fmt::format("port `{}` is not a number from 1 to 65535", port));
    host.port = static_cast<std::uint16_t>(*read);
  }
  return {};
}

Result<void> read_login(AmqpHost& host, std::string_view login) {
  const auto colon = login.find(':');
  const auto user = unquoted(login.substr(0, colon));
  const auto password =
      unquoted(colon == std::string_view::npos ? std::string_view{} : login.substr(colon + 1));
  if (!user || !password) return refuse("user or password has a broken %-encoding");
  if (!user->empty()) host.user = *user;
  if (!password->empty()) host.password = *password;
  return {};
}

Result<void> read_host(AmqpUrl& url, std::string_view text) {
  AmqpHost host;
  std::string_view rest;
  for (const auto& [scheme, tls] : kSchemes) {
    if (!text.starts_with(scheme)) continue;
    rest = text.substr(scheme.size());
    host.tls = tls;
    if (tls) host.port = 5671;
  }
  if (rest.data() == nullptr) {
    return refuse("each address begins with amqp://, amqps:// or pyamqp://");
  }
  if (const auto mark = rest.find('?'); mark != std::string_view::npos) {
    if (const auto read = read_options(url, rest.substr(mark + 1)); !read) return read.error();
    rest = rest.substr(0, mark);
  }
  const auto slash = rest.find('/');
  auto authority = rest.substr(0, slash);
  if (slash != std::string_view::npos && slash + 1 < rest.size()) {
    const auto vhost = unquoted(rest.substr(slash + 1));
    if (!vhost) return refuse("the virtual host has a broken %-encoding");
    host.vhost = *vhost;
  }
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    if (const auto read = read_login(host, authority.substr(0, at)); !read) return read.error();
    authority = authority.substr(at + 1);
  }
  if (const auto read = read_address(host, authority); !read) return read.error();
  url.hosts.push_back(std::move(host));
  return {};
}

}  // namespace

std::string AmqpHost::shown() const {
  const bool v6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}/{}", v6 ? "[" : "", host, v6 ? "]" : "", port,
                     vhost == "/" ? "" : vhost);
}

bool is_amqp_url(std::string_view url) {
  for (const auto& [scheme, tls] : kSchemes) {
    if (url.starts_with(scheme)) return true;
  }
  return false;
}

Result<AmqpUrl> parse_amqp_url(std::string_view text) {
  AmqpUrl url;
  while (!text.empty()) {
    const auto end = std::min(text.find(';'), text.size());
    const auto one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.empty()) continue;
    if (const auto read = read_host(url, one); !read) return read.error();
  }
  if (url.hosts.empty()) return refuse("it is empty; for example amqp://guest:guest@localhost//");
  if (url.cert_file.empty() != url.key_file.empty()) {
    return refuse("certfile and keyfile go together; one of them is missing");
  }
  if (url.queue_type == "quorum" && url.max_priority) {
    return refuse("max_priority is for classic queues; quorum queues have no x-max-priority");
  }
  return url;
}

}  // namespace umbel
