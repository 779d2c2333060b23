# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for vfctl(1)

# First column of a listing; silent when vfctld cannot be asked. compgen -W expands words, so only plain names pass.
_vfctl_names() {
        local socket=()

        [[ -n ${_vfctl_socket-} ]] && socket=(--socket "$_vfctl_socket")
        command vfctl "${socket[@]}" list "$@" --no-legend --no-color 2>/dev/null |
                awk '$1 ~ /^[A-Za-z0-9._:-]+$/ && $1 != "-" { print $1 }' | sort -u
}

_vfctl_nodes() {
        local node

        for node in /sys/devices/system/node/node[0-9]*; do
                [[ -d $node ]] && printf '%s\n' "${node##*/node}"
        done
}

# Completes words that have colons, such as PCI addresses.
_vfctl_reply() {
        mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
        if declare -F __ltrim_colon_completions >/dev/null; then
                __ltrim_colon_completions "$cur"
        fi
}

# The VMM and its arguments complete themselves; bash-completion 2.12 renamed the function.
_vfctl_vmm() {
        if declare -F _comp_command_offset >/dev/null; then
                _comp_command_offset "$1"
        elif declare -F _command_offset >/dev/null; then
                _command_offset "$1"
        fi
}

_vfctl_option_value() {
        case $1 in
        --socket) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        --pf) _vfctl_reply "$(_vfctl_names pfs)" ;;
        --pool) _vfctl_reply "$(_vfctl_names pools)" ;;
        --tenant) _vfctl_reply "$(_vfctl_names tenants)" ;;
        --numa-node) mapfile -t COMPREPLY < <(compgen -W "$(_vfctl_nodes)" -- "$cur") ;;
        --state) _vfctl_reply "absent unmanaged unbound bound ready leasing leased reclaiming quarantined stuck" ;;
        --by) _vfctl_reply "vf pf tenant" ;;
        --sort) _vfctl_reply "total rx tx packets drops name" ;;
        --hand-off) _vfctl_reply "auto fd node" ;;
        --pid) mapfile -t COMPREPLY < <(compgen -W "$(command ps -eo pid= 2>/dev/null)" -- "$cur") ;;
        --user) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
        --vm | --count | --memory | --reason | --mac | --vlan | --min-tx-mbps | --max-tx-mbps | --group | --interval) ;;
        *) return 1 ;;
        esac
}

_vfctl() {
        local cur prev words=("${COMP_WORDS[@]}") cword=$COMP_CWORD verb='' verb_at=0 i _vfctl_socket=''
        local global='--socket --json --no-legend --no-color --help'
        # bash-completion splits at '=', so --wait=SECONDS completes up to there
        local -A options=(
                [status]='' [list]='--pf --pool --state' [show]='' [plan]='' [apply]='--destructive --no-later'
                [acquire]='--tenant --vm --pool --count --mac --vlan --min-tx-mbps --max-tx-mbps --group --anti-affinity --affinity --numa-node --wait --keep --pid --user --memory'
                [run]='--tenant --vm --pool --count --mac --vlan --min-tx-mbps --max-tx-mbps --group --anti-affinity --affinity --numa-node --wait --keep --hand-off --memory --verbose'
                [reserve]='--tenant --vm --pool --count --mac --vlan --min-tx-mbps --max-tx-mbps --group --anti-affinity --affinity --numa-node'
                [unreserve]='--tenant --vm' [release]='' [renew]='' [drain]='--reason --wait' [undrain]=''
                [quarantine]='--reason' [clear]='--reason' [rescan]='' [reload]='' [monitor]='' [top]='--by --sort --interval --count --once'
                [policy]='--strict --tenant --pool'
        )
        local verbs='status list show plan apply acquire run release renew reserve unreserve drain undrain quarantine clear rescan reload monitor top policy'

        COMPREPLY=()
        # without this, the colons of PCI addresses split words
        declare -F _get_comp_words_by_ref >/dev/null && _get_comp_words_by_ref -n := words cword
        cur=${words[cword]} prev=${words[cword - 1]}
        for ((i = 1; i < cword; i++)); do
                case ${words[i]} in
                --socket) _vfctl_socket=${words[++i]} ;;
                --socket=*) _vfctl_socket=${words[i]#*=} ;;
                --)
                        [[ $verb == run ]] && _vfctl_vmm $((i + 1))
                        return
                        ;;
                -*) ;;
                *) [[ -z $verb ]] && verb=${words[i]} verb_at=$i ;;
                esac
        done
        _vfctl_option_value "$prev" && return
        if [[ $cur == -* ]]; then
                local extra=--version

                [[ -n $verb ]] && extra=${options[$verb]-}
                mapfile -t COMPREPLY < <(compgen -W "$global $extra" -- "$cur")
                return
        fi
        case $verb in
        '') mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur") ;;
        list) ((cword == verb_at + 1)) && _vfctl_reply "pfs vfs leases reservations pools tenants" ;;
        show) _vfctl_reply "$(_vfctl_names pfs) $(_vfctl_names vfs) $(_vfctl_names leases)" ;;
        release | renew) _vfctl_reply "$(_vfctl_names leases)" ;;
        drain | undrain) _vfctl_reply "$(_vfctl_names pfs)" ;;
        quarantine) _vfctl_reply "$(_vfctl_names vfs)" ;;
        clear) _vfctl_reply "$(_vfctl_names vfs --state quarantined)" ;;
        run) mapfile -t COMPREPLY < <(compgen -W "--" -- "$cur") ;;
        policy)
                if ((cword == verb_at + 1)); then
                        _vfctl_reply "check explain"
                else
                        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                fi
                ;;
        esac
}

complete -F _vfctl vfctl
