# Installs tunneld from a folder of packages, without a network, in a PowerShell
# that is run as administrator:
#
#	powershell -ExecutionPolicy Bypass -File install.ps1 -From .\dist
#
# It takes the MSI, or where there is none for this machine the zip, and checks it
# against SHA256SUMS. Run from that folder it needs no -From.
param([string]$From = $PSScriptRoot)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

function Fail([string]$What, [string]$Hint) {
    [Console]::Error.WriteLine("install.ps1: $What")
    if ($Hint) { [Console]::Error.WriteLine("hint: $Hint") }
    exit 1
}

# Choose returns the one package of the folder whose name ends so, or nothing.
function Choose([string]$Ending) {
    $found = @(Get-ChildItem -LiteralPath $From -File | Where-Object { $_.Name -like "tunneld*$Ending" })
    if ($found.Count -gt 1) { Fail "there are $($found.Count) packages for this system in $From" 'leave one, or take a folder of one version' }
    if ($found.Count -eq 1) { $found[0] }
}

# Check compares a package with what SHA256SUMS beside it says.
function Check($Package) {
    $sums = Join-Path $From 'SHA256SUMS'
    if (-not (Test-Path -LiteralPath $sums)) { Fail "there is no $sums" }
    $have = (Get-FileHash -LiteralPath $Package.FullName -Algorithm SHA256).Hash
    $good = Get-Content -LiteralPath $sums | Where-Object { $_ -eq "$($have.ToLower())  $($Package.Name)" }
    if (-not $good) { Fail "$($Package.Name) is not what SHA256SUMS says" 'get it again' }
}

# InstallMsi has Windows Installer do it, and keeps its log where it fails.
function InstallMsi($Package) {
    $log = Join-Path $env:TEMP 'tunneld-install.log'
    $run = Start-Process msiexec.exe -Wait -PassThru -ArgumentList '/i', "`"$($Package.FullName)`"", '/qn', '/norestart', '/l*v', "`"$log`""
    if ($run.ExitCode -eq 3010) {
        Write-Output 'restart Windows to finish'
    } elseif ($run.ExitCode -ne 0) {
        Fail "msiexec: exit status $($run.ExitCode)" "$log says why"
    }
}

# AddToPath adds a folder to the machine's Path, where every %VARIABLE% stays one.
function AddToPath([string]$Folder) {
    $key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('SYSTEM\CurrentControlSet\Control\Session Manager\Environment', $true)
    try {
        $path = $key.GetValue('Path', '', 'DoNotExpandEnvironmentNames')
        if (($path -split ';') -contains $Folder) { return }
        $key.SetValue('Path', "$path;$Folder", 'ExpandString')
    } finally {
        $key.Dispose()
    }
    # Removing a variable, even one that is not there, has Windows tell all programs.
    [Environment]::SetEnvironmentVariable('TUNNELD_INSTALLED', [NullString]::Value, 'Machine')
}

# InstallZip does what the MSI does, except that it is not listed among the programs.
function InstallZip($Package) {
    $programs = $env:ProgramW6432 # of 64 bits, in a 32-bit PowerShell, too
    if (-not $programs) { $programs = $env:ProgramFiles }
    $folder = Join-Path $programs 'tunneld'
    $program = Join-Path $folder 'tunneld.exe'
    $work = Join-Path $env:TEMP ([guid]::NewGuid())
    Expand-Archive -LiteralPath $Package.FullName -DestinationPath $work
    $running = (Get-Service tunneld -ErrorAction SilentlyContinue | Where-Object Status -EQ 'Running')
    if ($running) { Stop-Service tunneld }
    New-Item -ItemType Directory -Force $folder | Out-Null
    Copy-Item -Recurse -Force -Path (Join-Path $work '*\*') -Destination $folder
    Remove-Item -Recurse -Force $work

    AddToPath $folder
    & $program service install
    if ($LASTEXITCODE -ne 0) { Fail "tunneld service install: exit status $LASTEXITCODE" }
    if ($running) { Start-Service tunneld }
}

$me = [Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()
if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Fail 'only an administrator can install' 'use a PowerShell that is run as administrator'
}
if (-not $From) { $From = '.' }
# A 32-bit PowerShell has its own processor in PROCESSOR_ARCHITECTURE.
$processor = $env:PROCESSOR_ARCHITEW6432
if (-not $processor) { $processor = $env:PROCESSOR_ARCHITECTURE }
$processor = $processor.ToLower()

$package = Choose "-windows-$processor.msi"
if ($package) {
    Check $package
    Write-Output "installing $($package.Name)"
    InstallMsi $package
} else {
    $package = Choose "-windows-$processor.zip"
    if (-not $package) { Fail "there is no package for Windows on $processor in $From" 'name the folder of the packages: -From DIR' }
    Check $package
    Write-Output "installing $($package.Name)"
    InstallZip $package
}

Write-Output @'

next, in a new PowerShell that is run as administrator:
  tunneld init work ana@bastion.example.com --forward 5432:db.internal:5432
  tunneld check
  tunneld service start
'@
