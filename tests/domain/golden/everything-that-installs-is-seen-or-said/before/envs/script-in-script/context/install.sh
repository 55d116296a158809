cd more && . ./inner.sh
