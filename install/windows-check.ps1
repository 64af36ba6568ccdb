<#
.SYNOPSIS
Checks the Windows service on this very machine: installs it, uses it, removes it.

.DESCRIPTION
Run it in a PowerShell that is run as administrator, on a machine where tunneld is
not installed as a service and C:\ProgramData\tunneld does not exist. It connects
to loopback alone: to Windows' own OpenSSH server where that runs, with a key that
it makes and takes away again; without one, the forward is not checked.
Each check is a line, PASS or FAIL; the exit code is the number of those that failed.

.EXAMPLE
powershell -ExecutionPolicy Bypass -File windows-check.ps1 -Program .\tunneld.exe
#>
param([string]$Program = '.\tunneld.exe')

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$script:failed = 0
$data = Join-Path $env:ProgramData 'tunneld'
$programs = Join-Path $env:ProgramFiles 'tunneld-check'
$tunneld = Join-Path $programs 'tunneld.exe'

function Check([string]$What, [scriptblock]$Test) {
    try { $ok = [bool](& $Test); $why = '' } catch { $ok = $false; $why = ": $_" }
    if ($ok) { Write-Output "PASS $What" } else { $script:failed++; Write-Output "FAIL $What$why" }
}

# Tunneld runs the program; its output is in $script:said, its status is returned.
function Tunneld {
    $ErrorActionPreference = 'Continue' # what it writes to stderr is no exception
    $script:said = (& $tunneld @args 2>&1 | Out-String)
    return $LASTEXITCODE
}

function Wait-Until([scriptblock]$Condition, [int]$Seconds = 30) {
    $end = (Get-Date).AddSeconds($Seconds)
    while ((Get-Date) -lt $end) { if (& $Condition) { return $true }; Start-Sleep -Milliseconds 200 }
    return $false
}

# Rules are the accounts of a folder's list, as SIDs with their rights.
function Rules([string]$Path) {
    (Get-Acl $Path).GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])
}

$me = New-Object Security.Principal.WindowsPrincipal([Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) { Write-Output 'run this as administrator'; exit 100 }
if ((Test-Path $data) -or (Get-Service tunneld -ErrorAction SilentlyContinue)) { Write-Output "tunneld is in use here: $data, or the service"; exit 100 }

New-Item -ItemType Directory -Force $programs | Out-Null
Copy-Item $Program $tunneld
$authorized = Join-Path $env:ProgramData 'ssh\administrators_authorized_keys'
$before = $null
$sshd = Get-Service sshd -ErrorAction SilentlyContinue
$withServer = ($null -ne $sshd) -and ($sshd.Status -eq 'Running')

try {
    Check 'service install' { (Tunneld service install) -eq 0 }
    Check 'install again changes nothing' { ((Tunneld service install) -eq 0) -and ($said -match 'is there already') }
    $service = Get-CimInstance Win32_Service -Filter "Name='tunneld'"
    Check 'its own virtual account' { $service.StartName -eq 'NT SERVICE\tunneld' }
    Check 'automatic start' { $service.StartMode -eq 'Auto' }
    Check 'delayed start' { (Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Services\tunneld').DelayedAutostart -eq 1 }
    Check 'SID type unrestricted' { (sc.exe qsidtype tunneld | Out-String) -match 'UNRESTRICTED' }
    Check 'one privilege' { $p = (sc.exe qprivs tunneld | Out-String); ($p -match 'SeChangeNotifyPrivilege') -and (([regex]::Matches($p, 'Se\w+Privilege')).Count -eq 1) }
    Check 'three restarts' { ([regex]::Matches((sc.exe qfailure tunneld | Out-String), 'RESTART')).Count -eq 3 }
    Check 'restart after errors, too' { (sc.exe qfailureflag tunneld | Out-String) -match 'TRUE|: 1' }
    Check 'time for the shutdown' { (Get-ItemProperty 'HKLM:\SYSTEM\CurrentControlSet\Services\tunneld').PreshutdownTimeout -eq 15000 }
    Check 'Event Log source' { [Diagnostics.EventLog]::SourceExists('tunneld') }

    $sid = (New-Object Security.Principal.NTAccount('NT SERVICE', 'tunneld')).Translate([Security.Principal.SecurityIdentifier]).Value
    $trusted = @('S-1-5-18', 'S-1-5-32-544', $sid)
    foreach ($name in '.', 'profiles', 'keys', 'state', 'logs') {
        $folder = Join-Path $data $name
        Check "$name is for the system, administrators and the service alone" {
            (Get-Acl $folder).AreAccessRulesProtected -and
            -not (Rules $folder | Where-Object { $trusted -notcontains $_.IdentityReference.Value })
        }
        $writes = $name -in 'state', 'logs'
        Check "the service writes ${name}: $writes" {
            $right = [Security.AccessControl.FileSystemRights]::WriteData
            $can = [bool](Rules $folder | Where-Object { $_.IdentityReference.Value -eq $sid -and ($_.FileSystemRights -band $right) })
            $can -eq $writes
        }
    }

    if ($withServer) {
        $key = Join-Path $data 'keys\check'
        & ssh-keygen.exe -q -t ed25519 -N '""' -f $key | Out-Null
        $isNew = -not (Test-Path $authorized)
        $before = if ($isNew) { , [byte[]]@() } else { , [IO.File]::ReadAllBytes($authorized) }
        Add-Content -Path $authorized -Value (@('') + (Get-Content "$key.pub")) -Encoding ascii
        # One that was there keeps its list, which is not ours to change.
        if ($isNew) { icacls.exe $authorized /inheritance:r /grant '*S-1-5-32-544:F' '*S-1-5-18:F' | Out-Null }
        # What ssh-keygen makes is its maker's alone: the service has the folder's list.
        icacls.exe $key /setowner '*S-1-5-32-544' | Out-Null
        icacls.exe $key /reset | Out-Null
        $known = (Get-ChildItem (Join-Path $env:ProgramData 'ssh\ssh_host_*_key.pub') | ForEach-Object { '127.0.0.1 ' + (Get-Content $_) })
        Set-Content (Join-Path $data 'profiles\known_hosts') $known -Encoding ascii
        $toml = @"
server = { host = "127.0.0.1", user = "$env:USERNAME" }
auth = { identity_files = ['$key'], agent = "none" }
host_key = { known_hosts = ['$data\profiles\known_hosts'] }
forward.local = [{ name = "back", listen = "127.0.0.1:45222", target = "127.0.0.1:22" }]
"@
        [IO.File]::WriteAllText((Join-Path $data 'profiles\check.toml'), $toml)
    }

    Check 'service start' { (Tunneld service start) -eq 0 }
    Check 'it runs' { (Get-Service tunneld).Status -eq 'Running' }
    Check 'the pipe answers an administrator' { Wait-Until { (Tunneld --system status) -in 0, 3 } }
    Check 'the pipe is the service''s own' { [IO.Directory]::GetFiles('\\.\pipe\') -contains '\\.\pipe\tunneld' }
    Check 'no file is refused for its access list' { [void](Tunneld --system status); $said -notmatch 'can change' }
    Check 'the log file' { Wait-Until { Test-Path (Join-Path $data 'logs\tunneld.log') } }
    Check 'the Event Log has the start' {
        Wait-Until { [bool](Get-WinEvent -FilterHashtable @{ LogName = 'Application'; ProviderName = 'tunneld'; StartTime = (Get-Date).AddMinutes(-5) } -ErrorAction SilentlyContinue |
                Where-Object { $_.Message -match 'started' }) }
    }
    Check 'paramchange reloads' { sc.exe control tunneld paramchange | Out-Null; $LASTEXITCODE -eq 0 }
    if ($withServer) {
        Check 'the tunnel is up' { (Tunneld --system status --wait 30s) -eq 0 }
        Check 'a forward works' {
            $client = New-Object Net.Sockets.TcpClient('127.0.0.1', 45222)
            try { (New-Object IO.StreamReader($client.GetStream())).ReadLine() -match '^SSH-2\.0' } finally { $client.Close() }
        }
    } else { Write-Output 'left out: a forward, since no OpenSSH server runs here' }

    Check 'killed, it comes back' {
        $old = (Get-CimInstance Win32_Service -Filter "Name='tunneld'").ProcessId
        Stop-Process -Id $old -Force
        Wait-Until { $now = Get-CimInstance Win32_Service -Filter "Name='tunneld'"; $now.State -eq 'Running' -and $now.ProcessId -ne $old }
    }
    Check 'service stop within 10 s' {
        $clock = [Diagnostics.Stopwatch]::StartNew()
        ((Tunneld service stop) -eq 0) -and ($clock.Elapsed.TotalSeconds -lt 10)
    }
    Check 'it is stopped' { (Get-Service tunneld).Status -eq 'Stopped' }
} finally {
    Check 'service uninstall' { (Tunneld service uninstall) -eq 0 }
    Check 'no service is left' { -not (Get-Service tunneld -ErrorAction SilentlyContinue) }
    Check 'the profiles stay' { Test-Path (Join-Path $data 'profiles') }
    if ($null -ne $before) {
        if ($isNew) { Remove-Item $authorized } else { [IO.File]::WriteAllBytes($authorized, $before) }
    }
    Remove-Item -Recurse -Force $data, $programs
}
Write-Output "$script:failed failed"
exit $script:failed
