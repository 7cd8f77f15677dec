#include "sealed.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <vector>

namespace umbel::reddit {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kNonce = 12, kTag = 16;
constexpr int kRounds = 50'000;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

void need(bool fine, const char* what) {
  if (!fine) throw std::runtime_error{std::string{"OpenSSL: "} + what + " failed"};
}

Cipher new_cipher() {
  Cipher cipher{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
  need(cipher != nullptr, "a cipher");
  return cipher;
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());  // the library's idea of bytes
}

}  // namespace

Sealer::Sealer(std::string_view client_id, std::string_view client_secret) {
  const std::string salt = "umbel reddit token|" + std::string{client_id};
  need(PKCS5_PBKDF2_HMAC(client_secret.data(), static_cast<int>(client_secret.size()), bytes(salt),
                         static_cast<int>(salt.size()), kRounds, EVP_sha256(),
                         static_cast<int>(key_.size()), key_.data()) == 1,
       "deriving a key");
}

std::string Sealer::seal(std::string_view text, std::string_view place) const {
  std::vector<unsigned char> nonce(kNonce), out(text.size() + kTag), tag(kTag);
  need(RAND_bytes(nonce.data(), static_cast<int>(kNonce)) == 1, "random bytes");
  const Cipher cipher = new_cipher();
  int written = 0;
  int last = 0;
  need(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce.data()) ==
               1 &&
           EVP_EncryptUpdate(cipher.get(), nullptr, &written, bytes(place),
                             static_cast<int>(place.size())) == 1 &&
           EVP_EncryptUpdate(cipher.get(), out.data(), &written, bytes(text),
                             static_cast<int>(text.size())) == 1 &&
           EVP_EncryptFinal_ex(cipher.get(), out.data() + written, &last) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTag),
                               tag.data()) == 1,
       "sealing");
  out.resize(static_cast<std::size_t>(written + last));
  std::string sealed(1, kVersion);
  sealed.append(nonce.begin(), nonce.end());
  sealed.append(tag.begin(), tag.end());
  sealed.append(out.begin(), out.end());
  return sealed;
}

std::optional<std::string> Sealer::open(std::string_view sealed, std::string_view place) const {
  if (sealed.size() < 1 + kNonce + kTag || sealed.front() != kVersion) return std::nullopt;
  const std::string_view nonce = sealed.substr(1, kNonce);
  const std::string_view tag_text = sealed.substr(1 + kNonce, kTag);
  const std::string_view body = sealed.substr(1 + kNonce + kTag);
  std::vector<unsigned char> tag(tag_text.begin(), tag_text.end());
  std::vector<unsigned char> out(body.size() + kTag);
  const Cipher cipher = new_cipher();
  int written = 0;
  int last = 0;
  const bool opened = EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key_.data(),
                                         bytes(nonce)) == 1 &&
                      EVP_DecryptUpdate(cipher.get(), nullptr, &written, bytes(place),
                                        static_cast<int>(place.size())) == 1 &&
                      EVP_DecryptUpdate(cipher.get(), out.data(), &written, bytes(body),
                                        static_cast<int>(body.size())) == 1 &&
                      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG,
                                          static_cast<int>(kTag), tag.data()) == 1 &&
                      EVP_DecryptFinal_ex(cipher.get(), out.data() + written, &last) == 1;
  if (!opened) return std::nullopt;
  out.resize(static_cast<std::size_t>(written + last));
  return std::string{out.begin(), out.end()};
}

}  // namespace umbel::reddit
